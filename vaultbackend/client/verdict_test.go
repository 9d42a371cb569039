package client

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

func TestWhatTheAnswersOfAllAddressesMean(t *testing.T) {
	had := func(v vote) seat { return seat{vote: v, served: true} }
	not := func(v vote) seat { return seat{vote: v} }
	for _, row := range []struct {
		name  string
		seats []seat
		want  verdict
	}{
		{"a single node that serves", []seat{not(serves)}, isServed},
		{"a single node refuses for itself", []seat{not(refuses)}, isRefused},
		{"a single node refuses what it served before", []seat{had(refuses)}, isRefused},
		{"a single node that does not accept the token", []seat{had(distrusts)}, loginDue},
		{"a single node that is sealed", []seat{had(fails)}, isUnknown},
		{"a single node that is silent", []seat{had(silent)}, isUnknown},

		{"a stale node before a healthy one that was not asked yet", []seat{not(refuses), not(unasked)}, undecided},
		{"a stale node before a healthy one", []seat{not(refuses), not(serves)}, isServed},
		{"a node that has served becomes stale, the other is healthy", []seat{had(refuses), not(serves)}, isServed},
		{"a stale node, and the one that has served is away", []seat{not(refuses), had(fails)}, isUnknown},
		{"a stale node, and the one that has served hangs", []seat{not(refuses), had(silent)}, isUnknown},
		{"a stale node that does not know the token, and the one that has served refuses", []seat{not(distrusts), had(refuses)}, isRefused},
		{"a DR secondary first, and a node that serves", []seat{not(fails), not(serves)}, isServed},
		{"a DR secondary first, and the one that has served refuses", []seat{not(fails), had(refuses)}, isRefused},

		{"all that have served refuse", []seat{had(refuses), had(refuses), had(refuses)}, isRefused},
		{"one refuses, another that has served still serves", []seat{had(refuses), had(refuses), had(serves)}, isServed},
		{"one refuses, another that has served is sealed", []seat{had(refuses), had(fails)}, isRefused},
		{"one refuses, another that has served is waited for", []seat{had(refuses), had(waiting)}, undecided},
		{"one refuses, another that has served was waited for long enough", []seat{had(refuses), had(silent)}, isRefused},
		{"one refuses, another that has served does not accept the token", []seat{had(refuses), had(distrusts)}, loginDue},
		{"none that has served answers", []seat{had(fails), had(silent), not(refuses)}, isUnknown},

		{"none has served yet, and all refuse", []seat{not(refuses), not(refuses)}, isRefused},
		{"none has served yet, one refuses and one is sealed", []seat{not(refuses), not(fails)}, isUnknown},
		{"none has served yet, one refuses and one hangs", []seat{not(refuses), not(silent)}, isUnknown},
		{"none has served yet, one refuses and one does not accept the token", []seat{not(refuses), not(distrusts)}, loginDue},
		{"none has served yet, one serves", []seat{not(refuses), not(serves)}, isServed},

		{"a token that a node which has served does not accept", []seat{had(distrusts), not(unasked)}, loginDue},
		{"a token that a node which never served does not accept", []seat{not(distrusts), had(unasked)}, undecided},
		{"a token that a node which never served does not accept, and no other answers", []seat{not(distrusts), had(fails)}, loginDue},
		{"a rate limit", []seat{had(refuses), had(limits)}, isUnknown},
		{"none was asked yet", []seat{not(unasked), not(unasked)}, undecided},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := judge(row.seats); got != row.want {
				t.Errorf("got %d, want %d", got, row.want)
			}
		})
	}
}

// What fake nodes say of the key, at once.
func says(status int, text string) func(context.Context) (Answer, error) {
	a := Answer{Status: status}
	if text != "" {
		a.Errors = []string{text}
	}
	return func(context.Context) (Answer, error) { return a, nil }
}

func noSuchKey(context.Context) (Answer, error) { return Answer{Status: 404}, nil }

func TestWhatANodesAnswerCountsAs(t *testing.T) {
	for _, row := range []struct {
		name   string
		op     Operation
		answer Answer
		err    error
		want   vote
	}{
		{"silence", opReadKey, Answer{}, errors.New("connection refused"), fails},
		{"a redirect", opReadKey, Answer{Status: 307, elsewhere: &url.URL{}}, nil, fails},
		{"a DR secondary, for a login", opLogin, Answer{Status: 400, Errors: []string{"path disabled in replication DR secondary mode"}}, nil, fails},
		{"success", opReadKey, Answer{Status: 200, Data: []byte("{}")}, nil, serves},
		{"a key that is gone", opReadKey, Answer{Status: 404}, nil, refuses},
		{"a token that Vault does not know", opReadKey, Answer{Status: 403, Errors: []string{"permission denied", "invalid token"}}, nil, distrusts},
		{"a wrong secret-id", opLogin, Answer{Status: 400, Errors: []string{"invalid role or secret ID"}}, nil, distrusts},
		{"a rate limit", opReadKey, Answer{Status: 429}, nil, limits},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := voteOf(row.err, classify(of(row.op), row.answer)); got != row.want {
				t.Errorf("got %d, want %d", got, row.want)
			}
		})
	}
}

func TestWhatAJudgedAnswerCountsAs(t *testing.T) {
	for class, want := range map[backend.Class]vote{
		0: serves, backend.Item: serves, backend.VersionRefusal: serves, backend.Refusal: refuses,
		backend.Credentials: distrusts, backend.Outage: fails, backend.Unsuitable: fails,
	} {
		q := of(opDecrypt)
		decided := true
		q.Judge = func(Answer) (Meaning, bool) { return Meaning{Class: class}, decided }
		answer := Answer{Status: 403, Errors: []string{"permission denied", "invalid token"}}
		if got := voteOf(nil, classify(q, answer)); got != want {
			t.Errorf("%v: got %d, want %d", class, got, want)
		}
		decided = false
		if got := voteOf(nil, classify(q, answer)); got != distrusts {
			t.Errorf("an answer that is not judged counts as %d", got)
		}
		answer.foreign = true
		if decided = true; voteOf(nil, classify(q, answer)) != fails {
			t.Error("an answer that is not Vault's is judged")
		}
	}
}

// TestNoSingleNodeDecides has nodes in stopped time that have served before or not.
func TestNoSingleNodeDecides(t *testing.T) {
	type fakes = fakeNodes
	const ms = time.Millisecond
	dr := says(400, "path disabled in replication DR secondary mode")
	denied := says(403, "permission denied\ninvalid token")
	good := func(name string) func(context.Context) (Answer, error) { return answersAfter(10*ms, name) }
	for _, row := range []struct {
		name   string
		served string // which have served before
		fake   fakes
		class  backend.Class // 0: served
		by     string        // who serves
		after  time.Duration
	}{
		{"a stale Vault is passed over", "", fakes{"a": noSuchKey, "b": good("b"), "c": hangs}, 0, "b", 10 * ms},
		{"a DR secondary is passed over", "", fakes{"a": dr, "b": good("b"), "c": hangs}, 0, "b", 10 * ms},
		{"a Vault that does not know the token is passed over", "", fakes{"a": denied, "b": good("b"), "c": hangs}, 0, "b", 10 * ms},
		{"what has served and is stale now is passed over", "a", fakes{"a": noSuchKey, "b": good("b"), "c": hangs}, 0, "b", 10 * ms},
		{"all say so", "ab", fakes{"a": noSuchKey, "b": noSuchKey, "c": noSuchKey}, backend.Refusal, "", 0},
		{"one says so, the others are sealed or away", "ab", fakes{"a": noSuchKey, "b": isSealed, "c": unreachable}, backend.Refusal, "", 0},
		{"one says so, one that served hangs", "ab", fakes{"a": noSuchKey, "b": hangs, "c": isSealed}, backend.Refusal, "", refusalWait},
		{"one that served hangs, and after its time the next one says so", "ab", fakes{"a": hangs, "b": noSuchKey, "c": isSealed}, backend.Refusal, "", refusalWait},
		{"one says so, one that served is slow and serves", "ab", fakes{"a": noSuchKey, "b": answersAfter(1900*ms, "b"), "c": isSealed}, 0, "b", 1900 * ms},
		{"one that never served says so, and the one that did is away", "b", fakes{"a": noSuchKey, "b": isSealed, "c": unreachable}, backend.Outage, "", 0},
		{"none has served, and one is away", "", fakes{"a": noSuchKey, "b": noSuchKey, "c": isSealed}, backend.Outage, "", 0},
		{"none has served, and all say so", "", fakes{"a": noSuchKey, "b": noSuchKey, "c": noSuchKey}, backend.Refusal, "", 0},
		{"a token that is gone is replaced at once", "a", fakes{"a": denied, "b": hangs, "c": hangs}, backend.Credentials, "", 0},
		{"no node knows the token", "", fakes{"a": denied, "b": denied, "c": isSealed}, backend.Credentials, "", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked(t, func(t *testing.T, n *nodes) {
				for i, u := range n.urls {
					n.served[i] = strings.Contains(row.served, u.Host)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2500*ms) // the API server's
				defer cancel()
				start := time.Now()
				r := n.ask(ctx, of(opReadKey), row.fake.send(n, opReadKey))
				if r.err != nil || r.meaning.Class != row.class || string(r.answer.Data) != row.by || time.Since(start) != row.after {
					t.Errorf("class %v by %q after %v (%v), want class %v by %q after %v",
						r.meaning.Class, r.answer.Data, time.Since(start), r.err, row.class, row.by, row.after)
				}
			})
		})
	}
}

// TestACallerThatLeavesHasNotHeardEveryNode must not take part of the answers for
// all of them.
func TestACallerThatLeavesHasNotHeardEveryNode(t *testing.T) {
	asked(t, func(t *testing.T, n *nodes) {
		n.served[0] = true
		fake := fakeNodes{"a": noSuchKey, "b": hangs, "c": hangs}
		ctx, cancel := context.WithTimeout(t.Context(), refusalWait/2)
		defer cancel()
		if r := n.ask(ctx, of(opReadKey), fake.send(n, opReadKey)); r.err == nil && r.meaning.Class != backend.Outage {
			t.Errorf("got %v, %+v", r.err, r.meaning)
		}
	})
}

// TestALoginIsMadeWhereTheKeyIs has a stale Vault first, whose tokens the healthy
// one does not know. The fake keeps one token each.
func TestALoginIsMadeWhereTheKeyIs(t *testing.T) {
	asked(t, func(t *testing.T, n *nodes) {
		token := ""
		login := func(name string) func(context.Context) (Answer, error) {
			return func(context.Context) (Answer, error) {
				token = name
				return Answer{Status: 200, auth: []byte("{}")}, nil
			}
		}
		logins := fakeNodes{"a": login("a"), "b": login("b"), "c": isSealed}
		key := fakeNodes{"a": noSuchKey, "c": isSealed, "b": func(ctx context.Context) (Answer, error) {
			if token == "b" {
				return answersAfter(0, "b")(ctx)
			}
			return says(403, "permission denied\ninvalid token")(ctx)
		}}
		n.ask(t.Context(), of(opLogin), logins.send(n, opLogin))
		if r := n.ask(t.Context(), of(opReadKey), key.send(n, opReadKey)); r.meaning.Class != backend.Credentials {
			t.Fatalf("got %+v", r)
		}
		n.ask(t.Context(), of(opLogin), logins.send(n, opLogin))
		if r := n.ask(t.Context(), of(opReadKey), key.send(n, opReadKey)); string(r.answer.Data) != "b" {
			t.Errorf("logged in at %s: %+v", token, r)
		}
		if n.current != 1 {
			t.Errorf("node %d is asked first", n.current)
		}
	})
}

func TestARefusedLoginIsMadeElsewhereNextTime(t *testing.T) {
	for _, served := range []string{"", "a", "abc"} { // as one that was rebuilt from an old snapshot
		t.Run("of which these have served: "+served, func(t *testing.T) {
			asked(t, func(t *testing.T, n *nodes) {
				for i, u := range n.urls {
					n.served[i] = strings.Contains(served, u.Host)
				}
				var at []string
				at400 := func(name string) func(context.Context) (Answer, error) {
					return func(context.Context) (Answer, error) {
						at = append(at, name)
						return Answer{Status: 400, Errors: []string{"invalid role or secret ID"}}, nil
					}
				}
				fake := fakeNodes{"a": at400("a"), "b": at400("b"), "c": at400("c")}
				for range 3 {
					n.ask(t.Context(), of(opLogin), fake.send(n, opLogin))
					time.Sleep(time.Second)
				}
				if got := strings.Join(at, ""); got != "abc" {
					t.Errorf("asked %s, each address once", got)
				}
			})
		})
	}
}

// Otherwise each token that ends would bring every request to every address.
func TestNoOtherNodeIsAskedAboutATokenThatIsGone(t *testing.T) {
	asked(t, func(t *testing.T, n *nodes) {
		n.served[0] = true
		elsewhere := 0
		other := func(context.Context) (Answer, error) {
			elsewhere++
			return Answer{}, errors.New("asked")
		}
		fake := fakeNodes{"a": says(403, "permission denied\ninvalid token"), "b": other, "c": other}
		r := n.ask(t.Context(), of(opReadKey), fake.send(n, opReadKey))
		n.wg.Wait()
		if r.meaning.Class != backend.Credentials || elsewhere != 0 {
			t.Errorf("class %v; %d other addresses were asked", r.meaning.Class, elsewhere)
		}
	})
}

func TestAnAnswerThatDoesNotServeTheKeyDoesNotMakeItsNodeTheFirst(t *testing.T) {
	for name, op := range map[string]Operation{"a login": opLogin, "a look-up": opLookup, "an inspection": opOther} {
		t.Run(name, func(t *testing.T) {
			asked(t, func(t *testing.T, n *nodes) {
				fake := fakeNodes{"a": isSealed, "b": answersAfter(0, "b"), "c": hangs}
				n.ask(t.Context(), of(op), fake.send(n, op))
				if n.current != 0 || n.served[1] {
					t.Errorf("current %d, served %v", n.current, n.served)
				}
			})
		})
	}
}

func TestTheFirstAddressThatServesIsReturnedTo(t *testing.T) {
	fake := fakeNodes{"a": isSealed, "b": isSealed, "c": answersAfter(0, "c")}
	asked(t, func(t *testing.T, n *nodes) {
		expect := func(want string) {
			t.Helper()
			if got, _, err := askNow(t, n, fake, opReadKey); got != want {
				t.Errorf("%q answered (%v), want %q", got, err, want)
			}
		}
		expect("c")
		fake["b"] = answersAfter(0, "b") // a stays away
		time.Sleep(returnAfter + time.Second)
		expect("b")
		expect("b")
	})
}
