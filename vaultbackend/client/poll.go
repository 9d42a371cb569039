package client

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// reply is what one node said, and what that means.
type reply struct {
	node    int
	answer  Answer
	err     error // there was no answer
	meaning Meaning
}

// poll is one request on its way through the nodes: which were asked, and what they
// said. It sends nothing itself.
type poll struct {
	q         query
	returning bool  // looks whether an earlier node is back
	queue     []int // those to be asked, in this order
	seats     []seat
	asked     []time.Time
	last      int // the one asked last
	replies   []reply
}

// next takes the nodes that are to be asked now.
func (p *poll) next(more int, now time.Time) []int {
	n := min(more, len(p.queue))
	next := p.queue[:n]
	p.queue = p.queue[n:]
	for _, node := range next {
		p.seats[node].vote, p.asked[node], p.last = waiting, now, node
	}
	return next
}

// take notes a reply and returns how many more are to be asked because of it.
// redirect is the node that it leads to, -1 for none.
func (p *poll) take(r reply, redirect int) int {
	v := voteOf(r.err, r.meaning)
	if v == refuses && !p.q.Confirm {
		v = distrusts // it says nothing about what the client is for
	}
	p.seats[r.node].vote = v
	p.replies = append(p.replies, r)
	if i := slices.Index(p.queue, redirect); i > 0 {
		p.queue = slices.Insert(slices.Delete(slices.Clone(p.queue), i, i+1), 0, redirect)
	}
	switch v {
	case fails:
		if p.q.Op.isOnce() && r.err != nil && !neverSent(r.err) {
			p.close() // it may have done what it was asked
			return 0
		}
		return 1
	case refuses, distrusts:
		if !p.q.Confirm {
			p.close()
			return 0
		}
		return len(p.queue) // every one is heard
	default:
		return 0
	}
}

// close leaves out the nodes that were not asked yet.
func (p *poll) close() {
	for _, node := range p.queue {
		p.seats[node].vote = silent
	}
	p.queue = nil
}

// refusalDue is when silent nodes are no longer waited for, once another has
// refused.
func (p *poll) refusalDue() (time.Time, bool) {
	var last time.Time
	for node, s := range p.seats {
		if s.vote == waiting && p.asked[node].After(last) {
			last = p.asked[node]
		}
	}
	has := votesIn(p.seats)
	return last.Add(refusalWait), p.q.Confirm && has(refuses, distrusts) && !last.IsZero()
}

// giveUp no longer waits for silent nodes.
func (p *poll) giveUp() {
	for node := range p.seats {
		if p.seats[node].vote == waiting {
			p.seats[node].vote = silent
		}
	}
}

func (p *poll) verdict() verdict {
	if p.q.Confirm {
		return judge(p.seats)
	}
	return judgeOther(p.q.Op, p.seats)
}

// result returns the reply that a verdict rests on. ended is why the caller has
// left, nil if it has not. Where it has left, not all nodes were heard, so the
// request is not refused.
func (p *poll) result(v verdict, ended error) reply {
	saying := func(v vote) reply {
		i := slices.IndexFunc(p.replies, func(r reply) bool { return p.seats[r.node].vote == v })
		return p.replies[i]
	}
	switch {
	case v == isServed:
		return saying(serves)
	case v == loginDue:
		return saying(distrusts)
	case v == isRefused && ended == nil:
		return saying(refuses)
	}
	best := reply{node: p.last, err: cmp.Or(ended, errNotAsked)}
	if len(p.replies) > 0 {
		best = slices.MinFunc(p.replies, func(a, b reply) int { return cmp.Compare(silence(a), silence(b)) })
	}
	if best.meaning.Class == backend.Refusal {
		best.meaning = Meaning{Class: backend.Outage, Reason: "some of Vault's addresses do not serve this key, and none that has served it answers: " + best.meaning.Reason}
	}
	return best
}

// silence orders failures by how little they tell: 0 for a node that serves, 1 for
// one that does not, 2 for one that refuses, 3 for one that did not answer.
func silence(r reply) int {
	switch {
	case r.err != nil:
		return 3
	case r.answer.foreign, r.answer.elsewhere != nil, r.meaning.Class == backend.Refusal:
		return 2
	case r.meaning.Class == backend.Outage && !errors.Is(r.meaning.Mark, errLimited):
		return 1
	default:
		return 0
	}
}

// overtakenBy reports whether a node is silent although it was asked before the
// one that decided.
func (p *poll) overtakenBy(node, decided int) bool {
	return p.seats[node].vote == waiting && p.asked[node].Before(p.asked[decided])
}

// isDemoted reports whether a node is to be asked after others from now on. One that
// does not accept a token is not: the next login is to be made there.
func (p *poll) isDemoted(node int, v verdict, decided int) bool {
	s := p.seats[node]
	switch s.vote {
	case fails:
		// A node has not failed if the caller did not wait for its answer.
		return !slices.ContainsFunc(p.replies, func(r reply) bool { return r.node == node && errors.Is(r.err, context.Canceled) })
	case silent:
		return !p.asked[node].IsZero()
	case waiting:
		return p.overtakenBy(node, decided)
	case refuses:
		return v == isServed || !s.served
	case distrusts:
		// A refused login goes to another address next time, even if this one has
		// served before: it may have been rebuilt from an old snapshot.
		return v == isServed || p.q.Op == opLogin || !p.q.Confirm && !s.served
	default:
		return false
	}
}
