package vaultbackend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// patience is how long a node may keep a request waiting before the next
	// one is asked as well. The first is not given up: where all of Vault is
	// slow, cutting off one node after the other would get no answer at all.
	patience = 500 * time.Millisecond
	// loginPatience is the same for logins. Two of them fit into loginTimeout.
	loginPatience = 3 * time.Second
	// homeAfter is how long requests stay with another node before one of them
	// tries the preferred node again.
	homeAfter = 5 * time.Minute
)

// nodes are the addresses of one Vault cluster. All requests go to the one that
// answered last. One that is sealed, a standby that cannot forward, unreachable
// or slow is passed over within the request's own deadline.
type nodes struct {
	urls []*url.URL
	log  *slog.Logger
	wg   sync.WaitGroup // attempts, also those that nobody waits for any more

	mu      sync.Mutex
	current int
	tryHome time.Time   // when to look again whether the first one is back
	failed  []time.Time // when each failed last; zero since it answered
}

// newNodes takes addresses that were validated.
func newNodes(addresses []string, log *slog.Logger) (*nodes, error) {
	n := &nodes{log: log, failed: make([]time.Time, len(addresses))}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("vault.address: %w", err)
		}
		n.urls = append(n.urls, u)
	}
	return n, nil
}

// reply is what one node said.
type reply struct {
	node   int
	answer answer
	err    error // there was no answer
}

// ask sends one request until a node answers it, and returns that answer, or
// the failure that says most. A request that is sent once goes to another node
// only where the one before certainly did nothing with it. One that is counted
// is not refused before all who were asked have answered: the refusal may mean
// no more than that another one was served.
func (n *nodes) ask(ctx context.Context, op operation, send func(context.Context, *url.URL) (answer, error)) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	if len(n.urls) == 1 {
		a, err := send(ctx, n.urls[0])
		return n.resolve(a), err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the attempts that came too late
	queue := n.order(time.Now())
	replies := make(chan reply, len(queue))
	var failures []reply
	late := map[int]bool{} // asked, and silent so far

	for next := true; ; {
		if next && len(queue) > 0 && ctx.Err() == nil {
			node := queue[0]
			queue, late[node] = queue[1:], true
			n.wg.Go(func() {
				a, err := send(ctx, n.urls[node])
				replies <- reply{node: node, answer: a, err: err}
			})
		}
		if len(late) == 0 {
			best := mostTelling(failures, ctx.Err())
			if passOver(best.answer, best.err) {
				n.nobody(failures, time.Now())
			} else {
				n.answered(best.node, late, failures, time.Now())
			}
			return best.answer, best.err
		}
		var impatient <-chan time.Time
		if len(queue) > 0 && op.patience() > 0 {
			impatient = time.After(op.patience())
		}
		select {
		case r := <-replies:
			delete(late, r.node)
			useless := passOver(r.answer, r.err)
			refused := op.isCounted() && r.answer.status >= http.StatusBadRequest
			switch {
			case useless:
			case refused && len(late) > 0:
				queue = nil // nobody else would say anything else
			default:
				n.answered(r.node, late, failures, time.Now())
				return r.answer, r.err
			}
			r.answer = n.resolve(r.answer)
			failures = append(failures, r)
			next = useless && (!op.isOnce() || r.err == nil || neverSent(r.err))
			queue = first(queue, n.find(r.answer.elsewhere))
		case <-impatient:
			next = true
		}
	}
}

// passOver says whether another node may do better. What every node of the
// cluster would say, that the key is gone or the token not valid, is the answer.
// So is a rate limit: asking elsewhere would only evade it.
func passOver(a answer, err error) bool {
	switch {
	case err != nil, a.foreign, a.elsewhere != nil:
		return true
	case a.data != nil: // Transit's own results, whatever the status
		return false
	case a.status == http.StatusPreconditionFailed, a.status == statusDRStandby, a.status == statusPerformanceStandby:
		return true
	default:
		return a.status >= http.StatusInternalServerError
	}
}

// mostTelling returns the failure to report: a node that serves knows more than
// one that does not, and that more than one that did not answer. Where there is
// no failure, since the caller left before anybody was asked, it is otherwise.
func mostTelling(failures []reply, otherwise error) reply {
	if len(failures) == 0 {
		return reply{err: otherwise}
	}
	return slices.MinFunc(failures, func(a, b reply) int {
		return cmp.Compare(silence(a), silence(b))
	})
}

func silence(r reply) int {
	switch {
	case r.err != nil:
		return 3
	case r.answer.foreign, r.answer.elsewhere != nil:
		return 2
	case passOver(r.answer, nil):
		return 1
	default:
		return 0
	}
}

// first moves a node to the front of the queue if it is in it.
func first(queue []int, node int) []int {
	if i := slices.Index(queue, node); i > 0 {
		return slices.Insert(slices.Delete(slices.Clone(queue), i, i+1), 0, node)
	}
	return queue
}

// find returns which node a redirect leads to, -1 if none: the token goes to
// nobody who was not configured.
func (n *nodes) find(to *url.URL) int {
	return slices.IndexFunc(n.urls, func(u *url.URL) bool {
		return to != nil && u.Scheme == to.Scheme && u.Host == to.Host
	})
}

// resolve says of a redirect whether it leads to a configured node.
func (n *nodes) resolve(a answer) answer {
	a.elsewhereKnown = n.find(a.elsewhere) >= 0
	return a
}

// order returns the nodes in the order in which they are to be asked now.
func (n *nodes) order(now time.Time) []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	home := n.current != 0 && now.After(n.tryHome)
	if home {
		n.tryHome = now.Add(homeAfter) // one request tries, not all
	}
	return order(n.current, home, n.failed)
}

// order puts the first node first if it is time to look at it again, then those
// that have not failed since they answered: the current one, and the others as
// they are configured. The latest failure comes last.
func order(current int, home bool, failed []time.Time) []int {
	rank := func(first bool) int {
		if first {
			return 0
		}
		return 1
	}
	queue := make([]int, len(failed))
	for i := range queue {
		queue[i] = i
	}
	slices.SortStableFunc(queue, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(rank(home && a == 0), rank(home && b == 0)),
			failed[a].Compare(failed[b]),
			cmp.Compare(rank(a == current), rank(b == current)))
	})
	return queue
}

// answered makes node the current one. Those that were asked before it and are
// silent have failed as well.
func (n *nodes) answered(node int, late map[int]bool, failures []reply, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := range late {
		n.failed[other] = now
	}
	for _, f := range failures {
		n.failed[f.node] = now
	}
	n.failed[node] = time.Time{}
	if node == n.current {
		return
	}
	n.log.Info("requests to Vault go to another address", "from", n.urls[n.current].Host, "to", n.urls[node].Host)
	n.current, n.tryHome = node, now.Add(homeAfter)
}

// nobody notes who has failed. Whom a caller did not wait for has not.
func (n *nodes) nobody(failures []reply, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range failures {
		if !errors.Is(f.err, context.Canceled) {
			n.failed[f.node] = now
		}
	}
}

// close waits for attempts that nobody waits for, which have been cancelled.
func (n *nodes) close() { n.wg.Wait() }
