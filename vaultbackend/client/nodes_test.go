package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheOrderInWhichNodesAreAsked(t *testing.T) {
	never, early, late := time.Time{}, time.Unix(1, 0), time.Unix(2, 0)
	for _, row := range []struct {
		name      string
		current   int
		returning bool
		failed    []time.Time
		want      []int
	}{
		{"at first as configured", 0, false, []time.Time{never, never, never}, []int{0, 1, 2}},
		{"the one that served last comes first", 1, false, []time.Time{late, never, never}, []int{1, 2, 0}},
		{"unless it has failed since", 1, false, []time.Time{never, late, never}, []int{0, 2, 1}},
		{"it does so if all have failed", 1, false, []time.Time{late, late, late}, []int{1, 0, 2}},
		{"the latest failure comes last", 2, false, []time.Time{late, early, never}, []int{2, 1, 0}},
		{"when it is time all are tried again as configured", 2, true, []time.Time{late, early, never}, []int{0, 1, 2}},
		{"one address is one address", 0, false, []time.Time{late}, []int{0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := order(row.current, row.returning, row.failed); !slices.Equal(got, row.want) {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

// fakeNodes are nodes that do as they are told. They are fake because time has
// to stand still for it to be measured.
type fakeNodes map[string]func(context.Context) (Answer, error)

// send asks a node and takes its answer for one to op.
func (f fakeNodes) send(n *nodes, op Operation) func(context.Context, *url.URL) reply {
	return func(ctx context.Context, node *url.URL) reply {
		a, err := f[node.Host](ctx)
		a = n.resolve(a)
		return reply{answer: a, err: err, meaning: classify(of(op), a)}
	}
}

func answersAfter(d time.Duration, text string) func(context.Context) (Answer, error) {
	return func(ctx context.Context) (Answer, error) {
		select {
		case <-time.After(d):
			return Answer{Status: 200, Data: []byte(text)}, nil
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
}

func hangs(ctx context.Context) (Answer, error) { return answersAfter(time.Hour, "")(ctx) }

func isSealed(context.Context) (Answer, error) {
	return Answer{Status: 503, Errors: []string{"Vault is sealed"}}, nil
}

func unreachable(context.Context) (Answer, error) {
	return Answer{}, &notConnectedError{errors.New("connection refused")}
}

func breaks(context.Context) (Answer, error) { return Answer{}, errors.New("connection reset by peer") }

// asked runs test on nodes a, b and c in a bubble of stopped time.
func asked(t *testing.T, test func(t *testing.T, n *nodes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n, err := newNodes([]string{"https://a", "https://b", "https://c"}, slog.New(slog.NewTextHandler(t.Output(), nil)))
		must(t, err)
		test(t, n)
		n.close()
	})
}

// askNow asks with a deadline as the API server's and returns who answered, when.
func askNow(t *testing.T, n *nodes, fake fakeNodes, op Operation) (node string, took time.Duration, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	start := time.Now()
	r := n.ask(ctx, of(op), fake.send(n, op))
	return string(r.answer.Data), time.Since(start), r.err
}

func TestANodeThatCannotServeIsPassedOver(t *testing.T) {
	const ms = time.Millisecond
	good := answersAfter(10*ms, "b")
	for _, row := range []struct {
		name  string
		fake  fakeNodes
		op    Operation
		want  string // the node that answers; "" for none
		after time.Duration
	}{
		{"sealed", fakeNodes{"a": isSealed, "b": good, "c": hangs}, opReadKey, "b", 10 * ms},
		{"unreachable", fakeNodes{"a": unreachable, "b": good, "c": hangs}, opReadKey, "b", 10 * ms},
		{"reset", fakeNodes{"a": breaks, "b": good, "c": hangs}, opReadKey, "b", 10 * ms},
		{"hung", fakeNodes{"a": hangs, "b": good, "c": hangs}, opReadKey, "b", hedgeDelay + 10*ms},
		{"hung, and the next as well", fakeNodes{"a": hangs, "b": hangs, "c": answersAfter(10*ms, "c")}, opReadKey, "c", 2*hedgeDelay + 10*ms},
		{"sealed, and the next unreachable", fakeNodes{"a": isSealed, "b": unreachable, "c": answersAfter(10*ms, "c")}, opReadKey, "c", 10 * ms},
		{"slow, and so is the next", fakeNodes{"a": answersAfter(900*ms, "a"), "b": answersAfter(900*ms, "b"), "c": hangs}, opReadKey, "a", 900 * ms},
		{"all are gone", fakeNodes{"a": isSealed, "b": unreachable, "c": unreachable}, opReadKey, "", 0},
		{"all hang", fakeNodes{"a": hangs, "b": hangs, "c": hangs}, opReadKey, "", 2500 * ms},
		{"unreachable, for what is sent once", fakeNodes{"a": unreachable, "b": good, "c": hangs}, opUnwrap, "b", 10 * ms},
		{"sealed, for what is sent once", fakeNodes{"a": isSealed, "b": good, "c": hangs}, opUnwrap, "b", 10 * ms},
		{"reset, for what is sent once", fakeNodes{"a": breaks, "b": good, "c": hangs}, opUnwrap, "", 0},
		{"slow, for a login", fakeNodes{"a": answersAfter(2400*ms, "a"), "b": good, "c": good}, opLogin, "a", 2400 * ms},
		{"hung, for what is sent once", fakeNodes{"a": hangs, "b": good, "c": hangs}, opUnwrap, "", 2500 * ms},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked(t, func(t *testing.T, n *nodes) {
				got, took, err := askNow(t, n, row.fake, row.op)
				if got != row.want || took != row.after {
					t.Errorf("%q answered after %v (%v), want %q after %v", got, took, err, row.want, row.after)
				}
			})
		})
	}
}

// TestALoginThatWasServedIsNotRefused has a secret-id that is good for one.
func TestALoginThatWasServedIsNotRefused(t *testing.T) {
	deny := func(status int) func(context.Context) (Answer, error) {
		return func(context.Context) (Answer, error) { return Answer{Status: status, Errors: []string{"no"}}, nil }
	}
	for _, row := range []struct {
		name   string
		fake   fakeNodes
		status int
		asked  int
		after  time.Duration
	}{
		{"a slow node is given time", fakeNodes{"a": answersAfter(2*time.Second, "a"), "b": deny(400), "c": deny(400)}, 200, 1, 2 * time.Second},
		{"a refusal waits for who was asked before", fakeNodes{"a": answersAfter(5*time.Second, "a"), "b": deny(400), "c": deny(400)}, 200, 2, 5 * time.Second},
		{"it counts if there is nothing else", fakeNodes{"a": hangs, "b": deny(400), "c": isSealed}, 400, 2, loginTimeout},
		{"it counts at once from who was asked alone", fakeNodes{"a": deny(403), "b": hangs, "c": hangs}, 403, 1, 0},
		{"a node that hangs is passed over", fakeNodes{"a": hangs, "b": answersAfter(0, "b"), "c": hangs}, 200, 2, loginHedgeDelay},
		{"two of them are as well", fakeNodes{"a": hangs, "b": hangs, "c": answersAfter(0, "c")}, 200, 3, 2 * loginHedgeDelay},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked(t, func(t *testing.T, n *nodes) {
				ctx, cancel := context.WithTimeout(t.Context(), loginTimeout)
				defer cancel()
				var sent atomic.Int32
				start := time.Now()
				r := n.ask(ctx, of(opLogin), func(ctx context.Context, node *url.URL) reply {
					sent.Add(1)
					return row.fake.send(n, opLogin)(ctx, node)
				})
				if r.answer.Status != row.status || time.Since(start) != row.after || int(sent.Load()) != row.asked {
					t.Errorf("status %d, %v after %v from %d nodes, want %d after %v from %d",
						r.answer.Status, r.err, time.Since(start), sent.Load(), row.status, row.after, row.asked)
				}
			})
		})
	}
}

func TestANodeThatACallerDidNotWaitForIsAskedAgain(t *testing.T) {
	asked(t, func(t *testing.T, n *nodes) {
		fake := fakeNodes{"a": answersAfter(200*time.Millisecond, "a"), "b": answersAfter(0, "b"), "c": answersAfter(0, "c")}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if r := n.ask(ctx, of(opReadKey), fake.send(n, opReadKey)); !errors.Is(r.err, context.Canceled) {
			t.Fatal(r.err)
		}
		if got, _, err := askNow(t, n, fake, opReadKey); got != "a" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestTheNodeThatWorksIsKeptAndThePreferredOneTriedAgain(t *testing.T) {
	fake := fakeNodes{"a": hangs, "b": answersAfter(0, "b"), "c": answersAfter(0, "c")}
	asked(t, func(t *testing.T, n *nodes) {
		expect := func(want string, after time.Duration) {
			t.Helper()
			got, took, err := askNow(t, n, fake, opReadKey)
			if got != want || took != after {
				t.Errorf("%q answered after %v (%v), want %q after %v", got, took, err, want, after)
			}
		}
		expect("b", hedgeDelay)
		expect("b", 0)
		time.Sleep(returnAfter + time.Second)
		expect("b", hedgeDelay) // one request finds that a still hangs
		expect("b", 0)
		fake["b"] = isSealed
		expect("c", 0) // a, which failed, is not asked before c
		fake["a"], fake["b"] = answersAfter(0, "a"), answersAfter(0, "b")
		expect("c", 0)
		time.Sleep(returnAfter + time.Second)
		expect("a", 0)
		expect("a", 0)
	})
}

func TestTheFailureThatSaysMostIsReported(t *testing.T) {
	fake := fakeNodes{"a": unreachable, "b": isSealed, "c": hangs}
	asked(t, func(t *testing.T, n *nodes) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r := n.ask(ctx, of(opReadKey), fake.send(n, opReadKey)); r.err != nil || r.answer.Status != 503 {
			t.Errorf("got %+v, want what the sealed node said", r)
		}
	})
}

// TestNoNodeIsAskedForACallerThatHasLeft is also about the failure to report:
// there is none of any node.
func TestNoNodeIsAskedForACallerThatHasLeft(t *testing.T) {
	for _, addresses := range [][]string{{"https://a"}, {"https://a", "https://b", "https://c"}} {
		for _, op := range []Operation{opReadKey, opLogin, opUnwrap} {
			n, err := newNodes(addresses, slog.New(slog.DiscardHandler))
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r := n.ask(ctx, of(op), func(context.Context, *url.URL) reply {
				t.Error("a node was asked")
				return reply{}
			})
			if !errors.Is(r.err, context.Canceled) {
				t.Errorf("%d addresses: %v", len(addresses), r.err)
			}
		}
	}
}

func TestARedirectIsFollowedToConfiguredNodesOnly(t *testing.T) {
	to := func(address string) func(context.Context) (Answer, error) {
		u, err := url.Parse(address)
		must(t, err)
		return func(context.Context) (Answer, error) { return Answer{Status: 307, foreign: true, elsewhere: u}, nil }
	}
	var order []string
	note := func(host string, do func(context.Context) (Answer, error)) func(context.Context) (Answer, error) {
		return func(ctx context.Context) (Answer, error) { order = append(order, host); return do(ctx) }
	}
	fake := fakeNodes{
		"a": note("a", to("https://c/v1/x")), "b": note("b", isSealed), "c": note("c", answersAfter(0, "c")),
		"stranger": func(context.Context) (Answer, error) { t.Error("a stranger was asked"); return Answer{}, nil },
	}
	asked(t, func(t *testing.T, n *nodes) {
		if got, _, err := askNow(t, n, fake, opReadKey); got != "c" || fmt.Sprint(order) != "[a c]" {
			t.Errorf("got %q, %v from %v", got, err, order)
		}
	})
	fake["a"], fake["c"] = note("a", to("https://stranger/v1/x")), note("c", isSealed)
	asked(t, func(t *testing.T, n *nodes) {
		if got, _, err := askNow(t, n, fake, opReadKey); got != "" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestTheBudgetOfExtraRequests(t *testing.T) {
	start := time.Unix(1000, 0)
	var b budget
	extra := func(requests int, at time.Duration) (n int) {
		for range requests {
			b.request(start.Add(at))
		}
		for b.hedge(start.Add(at)) {
			n++
		}
		return n
	}
	for _, row := range []struct {
		name     string
		requests int
		at       time.Duration
		want     int
	}{
		{"few requests have the floor", 1, 0, 3},
		{"and no more within the minute", 10, 59 * time.Second, 0},
		{"the next minute has its own", 1, time.Minute, 3},
		{"of many requests it is one in ten", 499, time.Minute + time.Second, 47},
		{"a minute without a request has the floor", 0, 3 * time.Minute, 3},
	} {
		if got := extra(row.requests, row.at); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

// many asks n times at once, each time with an API server's deadline, and returns
// what became of it.
func many(t *testing.T, n *nodes, fake fakeNodes, requests int) (failed int, longest time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			answered, took, _ := askNow(t, n, fake, opReadKey)
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, took)
			if answered == "" {
				failed++
			}
		})
	}
	all.Wait()
	return failed, longest
}

// counted counts how often a node is asked.
func counted(to *atomic.Int32, do func(context.Context) (Answer, error)) func(context.Context) (Answer, error) {
	return func(ctx context.Context) (Answer, error) { to.Add(1); return do(ctx) }
}

// TestASlowVaultIsNotAskedTwiceForEverything has one that is slow at every address.
func TestASlowVaultIsNotAskedTwiceForEverything(t *testing.T) {
	asked(t, func(t *testing.T, n *nodes) {
		var sent atomic.Int32
		slow := counted(&sent, answersAfter(900*time.Millisecond, "x"))
		const rounds, each = 30, 10
		for range rounds {
			if failed, _ := many(t, n, fakeNodes{"a": slow, "b": slow, "c": slow}, each); failed > 0 {
				t.Errorf("%d of %d requests failed", failed, each)
			}
		}
		// 300 requests in 27 s.
		if extra := sent.Load() - rounds*each; extra > rounds*each/hedgeShare {
			t.Errorf("%d requests more than the %d that were made", extra, rounds*each)
		}
	})
}

// TestAHungNodeHoldsUpNoCallerOnceTheBudgetIsSpent has more requests at a hung
// node than extra ones are allowed.
func TestAHungNodeHoldsUpNoCallerOnceTheBudgetIsSpent(t *testing.T) {
	asked(t, func(t *testing.T, n *nodes) {
		var atA atomic.Int32
		fake := fakeNodes{"a": counted(&atA, hangs), "b": answersAfter(10*time.Millisecond, "b"), "c": hangs}
		failed, longest := many(t, n, fake, 500)
		if failed > 0 || longest > hedgeDelay+50*time.Millisecond {
			t.Errorf("%d failed, the longest took %v", failed, longest)
		}
		// Later callers do not meet the hung one.
		atA.Store(0)
		if failed, longest := many(t, n, fake, 500); failed > 0 || longest > 10*time.Millisecond || atA.Load() > 0 {
			t.Errorf("later: %d failed, the longest took %v, %d went to the hung node", failed, longest, atA.Load())
		}
	})
}
