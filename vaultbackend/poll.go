package vaultbackend

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
	answer  answer
	err     error // there was no answer
	meaning meaning
}

// poll is one request on its way through the nodes: who was asked, who said what.
// It asks nobody itself.
type poll struct {
	op      operation
	home    bool  // looks whether an earlier node is back
	queue   []int // those to be asked, in this order
	seats   []seat
	asked   []time.Time
	last    int // the one asked last
	replies []reply
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
	if v == refuses && !p.op.isAboutKey() {
		v = distrusts // of the key it says nothing
	}
	p.seats[r.node].vote = v
	p.replies = append(p.replies, r)
	if i := slices.Index(p.queue, redirect); i > 0 {
		p.queue = slices.Insert(slices.Delete(slices.Clone(p.queue), i, i+1), 0, redirect)
	}
	switch v {
	case fails:
		if p.op.isOnce() && r.err != nil && !neverSent(r.err) {
			p.close() // it may have done what it was asked
			return 0
		}
		return 1
	case refuses, distrusts:
		if !p.op.isAboutKey() {
			p.close()
			return 0
		}
		return len(p.queue) // every one is heard
	default:
		return 0
	}
}

// close asks nobody else.
func (p *poll) close() {
	for _, node := range p.queue {
		p.seats[node].vote = silent
	}
	p.queue = nil
}

// hearingEnds is when those who are silent are no longer waited for, once
// somebody has said no.
func (p *poll) hearingEnds() (time.Time, bool) {
	var last time.Time
	for node, s := range p.seats {
		if s.vote == waiting && p.asked[node].After(last) {
			last = p.asked[node]
		}
	}
	has := votesIn(p.seats)
	return last.Add(hearing), p.op.isAboutKey() && has(refuses, distrusts) && !last.IsZero()
}

// giveUp no longer waits for those who are silent.
func (p *poll) giveUp() {
	for node := range p.seats {
		if p.seats[node].vote == waiting {
			p.seats[node].vote = silent
		}
	}
}

func (p *poll) verdict() verdict {
	if p.op.isAboutKey() {
		return judge(p.seats)
	}
	return judgeOther(p.op, p.seats)
}

// result returns the reply that a verdict rests on. ended is why the caller waits
// no longer, nil if it does: then not everybody was heard, and the key is not
// refused.
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
	best := reply{node: p.last, err: cmp.Or(ended, errNobody)}
	if len(p.replies) > 0 {
		best = slices.MinFunc(p.replies, func(a, b reply) int { return cmp.Compare(silence(a), silence(b)) })
	}
	if best.meaning.class == backend.Refusal {
		best.meaning = meaning{class: backend.Outage, reason: "some of Vault's addresses do not serve this key, and none that has served it answers: " + best.meaning.reason}
	}
	return best
}

// silence orders failures by how much they tell: a node that serves knows more
// than one that does not, that more than one without the key, and that more than
// one that did not answer.
func silence(r reply) int {
	switch {
	case r.err != nil:
		return 3
	case r.answer.foreign, r.answer.elsewhere != nil, r.meaning.class == backend.Refusal:
		return 2
	case r.meaning.class == backend.Outage && !errors.Is(r.meaning.mark, errLimited):
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

// letDown reports whether a node is to be asked after others from now on. One that
// does not accept a token is not: the next login is to be made there.
func (p *poll) letDown(node int, v verdict, decided int) bool {
	s := p.seats[node]
	switch s.vote {
	case fails:
		// Whom a caller did not wait for has not failed.
		return !slices.ContainsFunc(p.replies, func(r reply) bool { return r.node == node && errors.Is(r.err, context.Canceled) })
	case silent:
		return !p.asked[node].IsZero()
	case waiting:
		return p.overtakenBy(node, decided)
	case refuses:
		return v == isServed || !s.served
	case distrusts:
		// A login that was refused goes to another address next time, also where
		// this one has served before: it may have been rebuilt from an old snapshot.
		return v == isServed || p.op == opLogin || !p.op.isAboutKey() && !s.served
	default:
		return false
	}
}
