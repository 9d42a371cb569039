package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// hedgeDelay is how long a node may keep a request waiting before the next
	// one is asked as well. The first is not given up: where all of Vault is
	// slow, cutting off one node after the other would get no answer at all.
	hedgeDelay = 500 * time.Millisecond
	// loginHedgeDelay is the same for logins. Two of them fit into loginTimeout.
	loginHedgeDelay = 3 * time.Second
	// refusalWait is how long a node has to answer before the others decide without
	// it that a confirmed request is refused. It must stay below what a request may
	// take.
	refusalWait = 2 * time.Second
	// returnAfter is how long requests stay with another node before one of them
	// tries those before it in the configuration again.
	returnAfter = 5 * time.Minute
)

// nodes are the addresses of one Vault cluster. All requests go to the one that
// served a confirmed request last. One that does not serve (sealed, a standby that
// cannot forward, a DR secondary, unreachable, slow, a Vault without the key) is
// passed over within the request's own deadline.
type nodes struct {
	urls []*url.URL
	log  *slog.Logger
	wg   sync.WaitGroup // attempts, also those whose callers have left

	mu       sync.Mutex
	current  int
	returnAt time.Time   // when to look again whether an earlier one is back
	failed   []time.Time // when each failed last; zero once it has served since
	served   []bool      // which have served a confirmed request in this process
	// overtaken is closed, and replaced, when a node has kept a request waiting
	// for so long that another one answered first.
	overtaken []chan struct{}
	budget    budget
}

// newNodes takes addresses that were validated.
func newNodes(addresses []string, log *slog.Logger) (*nodes, error) {
	n := &nodes{log: log, failed: make([]time.Time, len(addresses)), served: make([]bool, len(addresses))}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("vault.address: %w", err)
		}
		n.urls = append(n.urls, u)
		n.overtaken = append(n.overtaken, make(chan struct{}))
	}
	return n, nil
}

// ask sends one request until the answers of the nodes decide what becomes of it,
// and returns the reply that says so.
func (n *nodes) ask(ctx context.Context, q query, send func(context.Context, *url.URL) reply) reply {
	if err := ctx.Err(); err != nil {
		return reply{err: err}
	}
	if len(n.urls) == 1 {
		return send(ctx, n.urls[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the attempts that came too late
	p, overtaken := n.newPoll(q)
	replies := make(chan reply, len(n.urls))
	for more := 1; ; {
		if ctx.Err() != nil {
			p.close() // no other node is asked
		}
		// Decided before another node is asked: a token that has ended would
		// otherwise send every request to every address.
		if v := p.verdict(); v != undecided {
			r := p.result(v, ctx.Err())
			n.learn(p, v, r.node)
			return r
		}
		for _, node := range p.next(more, time.Now()) {
			n.wg.Go(func() {
				r := send(ctx, n.urls[node])
				r.node = node
				replies <- r
			})
		}
		more = 0
		var hedge, heard <-chan time.Time
		var left <-chan struct{}
		if len(p.queue) > 0 && q.Op.hedgeDelay() > 0 {
			hedge, left = time.After(q.Op.hedgeDelay()), overtaken[p.last]
		}
		if at, ok := p.refusalDue(); ok {
			heard = time.After(time.Until(at))
		}
		select {
		case r := <-replies:
			more = p.take(r, n.find(r.answer.elsewhere))
		case <-left:
			more = 1 // it does not answer others either
		case <-hedge:
			if p.returning || n.mayHedge() {
				more = 1
			}
		case <-heard:
			p.giveUp()
		}
	}
}

// newPoll begins a request.
func (n *nodes) newPoll(q query) (*poll, []chan struct{}) {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.budget.request(now)
	// A login succeeds at nodes that do not serve the key. Only a confirmed request
	// shows which node is back.
	returning := q.Confirm && n.current != 0 && now.After(n.returnAt)
	if returning {
		n.returnAt = now.Add(returnAfter) // one request tries, not all
	}
	p := &poll{q: q, returning: returning, queue: order(n.current, returning, n.failed), seats: make([]seat, len(n.urls)), asked: make([]time.Time, len(n.urls))}
	for i, served := range n.served {
		p.seats[i].served = served
	}
	return p, slices.Clone(n.overtaken)
}

func (n *nodes) mayHedge() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.budget.hedge(time.Now())
}

// order returns the nodes in the order in which they are to be asked: as they are
// configured if it is time to see whether an earlier one is back, else those
// first that have not failed since they served. Of these the current one comes
// first, and of the others the latest failure last.
func order(current int, returning bool, failed []time.Time) []int {
	queue := make([]int, len(failed))
	for i := range queue {
		queue[i] = i
	}
	if returning {
		return queue
	}
	rank := func(node int) int {
		if node == current {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(queue, func(a, b int) int {
		return cmp.Or(failed[a].Compare(failed[b]), cmp.Compare(rank(a), rank(b)))
	})
	return queue
}

// find returns which node a redirect leads to, -1 if none: the token goes to
// configured addresses only.
func (n *nodes) find(to *url.URL) int {
	return slices.IndexFunc(n.urls, func(u *url.URL) bool {
		return to != nil && u.Scheme == to.Scheme && u.Host == to.Host
	})
}

// resolve says of a redirect whether it leads to a configured node.
func (n *nodes) resolve(a Answer) Answer {
	a.elsewhereKnown = n.find(a.elsewhere) >= 0
	return a
}

// learn takes in how a request ended: which nodes are to be asked last, and
// whether the one that decided is to be asked first.
func (n *nodes) learn(p *poll, v verdict, decided int) {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	for node := range p.seats {
		if p.overtakenBy(node, decided) {
			close(n.overtaken[node])
			n.overtaken[node] = make(chan struct{})
		}
		if p.isDemoted(node, v, decided) {
			n.failed[node] = now
		}
	}
	if v != isServed || !p.q.Confirm {
		return
	}
	n.failed[decided], n.served[decided] = time.Time{}, true
	if decided != n.current {
		n.log.Info("requests to Vault go to another address", "from", n.urls[n.current].Host, "to", n.urls[decided].Host)
		n.current, n.returnAt = decided, now.Add(returnAfter)
	}
}

// close waits for the attempts that are left, which have been cancelled.
func (n *nodes) close() { n.wg.Wait() }

var errNotAsked = errors.New("no address of Vault was asked")
