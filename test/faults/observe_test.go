package faults

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// A busy machine delays every call by an unknown time. So calls for which the plugin
// has nothing to do are made at the same time, and the limits apply to the time that a
// call takes longer than the slowest of those.
const (
	// deadline is that of the API server for its calls (kube-apiserver's
	// EncryptionConfiguration, timeout). The plugin's own, 2.5 s, is below it; a
	// call that waits for a Vault that hangs, and has none, lasts for answerLimit.
	deadline = 3 * time.Second
	// noWait is below the plugin's own deadline: what a call takes at least that
	// waits for a Vault that hangs.
	noWait = 2 * time.Second
	// answerLimit bounds a call that is never answered. It is no claim: a plugin that
	// keeps its own deadline has answered long before.
	answerLimit = time.Minute
)

// answers are what callers are told.
type answers struct{ status, encrypt, held, cold, direct codes.Code }

// serves is a plugin that does all its work; carries on is one that does what it
// can without Vault.
func serves() answers { return answers{} }

func carriesOn(code codes.Code) answers { return answers{cold: code, direct: code} }

func fails(code codes.Code) answers { return answers{code, code, code, code, code} }

// observation is what callers met.
type observation struct {
	answers
	longest time.Duration
	// coldError and statusError are what was said.
	coldError, heldError, statusError error
}

// told counts the codes that callers were told, and keeps the longest call.
type told struct {
	mu      sync.Mutex
	codes   map[codes.Code]int
	last    error
	longest time.Duration
}

func (o *told) ask(call func() error) {
	begin := time.Now()
	err := call()
	took := time.Since(begin)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.codes == nil {
		o.codes = map[codes.Code]int{}
	}
	o.codes[status.Code(err)]++
	o.last = err
	o.longest = max(o.longest, took)
}

// made is how many were told anything so far.
func (o *told) made() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, count := range o.codes {
		n += count
	}
	return n
}

// same is the code that all were told.
func (o *told) same(t *testing.T) codes.Code {
	t.Helper()
	if len(o.codes) != 1 {
		t.Errorf("callers are told different things: %v, in the end %v", o.codes, o.last)
	}
	return status.Code(o.last)
}

func (o *told) String() string { return either(slices.Sorted(maps.Keys(o.codes))) }

func either(of []codes.Code) string {
	var names []string
	for _, c := range of {
		names = append(names, c.String())
	}
	return strings.Join(names, " or ")
}

// observe asks for everything at once: many for Status, and many for what only
// Vault can open, each another one. It asks again where that shows only that the
// machine stood still, for which seeds were wrapped as well: see wrapCold.
func (p *plane) observe(t *testing.T, want answers) observation {
	t.Helper()
	a := p.askAll()
	for n := 1; n < observations; n++ {
		if !a.stalled(want) {
			for range callers {
				_, _ = p.cold() // not needed
			}
			continue
		}
		t.Logf("what the plugin has nothing to do for took %v, so its own deadline is no wonder: asked again", a.idle.longest)
		a = p.askAll()
	}
	waited := max(a.cold.longest, a.held.longest, a.encrypt.longest, a.direct.longest)
	// Those that wait until their deadline are asked at once, and answered at once.
	within(t, "a call", waited, deadline, 2*a.idle.longest)
	within(t, "Status", a.state.longest, noWait, a.idle.longest)
	return observation{
		answers: answers{status: a.state.same(t), encrypt: a.encrypt.same(t), held: a.held.same(t), cold: a.cold.same(t), direct: a.direct.same(t)},
		longest: max(waited, a.state.longest), coldError: a.cold.last, heldError: a.held.last, statusError: a.state.last,
	}
}

// observations is how often everything is asked for at most.
const observations = 3

// wrapCold prepares what observe asks for.
func (p *plane) wrapCold(t *testing.T) {
	t.Helper()
	p.wrap(t, observations*callers)
}

// asked is what callers were told of everything.
type asked struct{ cold, state, idle, held, encrypt, direct told }

// stalled reports whether the machine stood still for much of the plugin's own
// deadline, so that a call got DeadlineExceeded instead of the expected code.
func (a *asked) stalled(want answers) bool {
	late := func(o *told, want codes.Code) bool {
		return o.codes[codes.DeadlineExceeded] > 0 && want != codes.DeadlineExceeded
	}
	return a.idle.longest >= noWait/2 && (late(&a.cold, want.cold) || late(&a.state, want.status) ||
		late(&a.held, want.held) || late(&a.encrypt, want.encrypt) || late(&a.direct, want.direct))
}

func (p *plane) askAll() *asked {
	var a asked
	var wg sync.WaitGroup
	ask := func(o *told, call func(context.Context) error) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(p.ctx, answerLimit)
			defer cancel()
			o.ask(func() error { return call(ctx) })
		})
	}
	seal := func(plugin *cluster.Plugin) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := plugin.KMS().Encrypt(ctx, &kms.EncryptRequest{Plaintext: []byte("new"), Uid: "new"})
			return err
		}
	}
	for range callers {
		ask(&a.cold, func(ctx context.Context) error {
			r, err := p.cold()
			if err == nil {
				_, err = p.local.KMS().Decrypt(ctx, r)
			}
			return err
		})
		ask(&a.state, func(ctx context.Context) error {
			_, err := p.local.KMS().Status(ctx, &kms.StatusRequest{})
			return err
		})
		ask(&a.idle, p.local.Idle) // only its time counts: a plugin that is dead has no method at all
	}
	ask(&a.held, func(ctx context.Context) error {
		_, err := p.local.KMS().Decrypt(ctx, p.held)
		return err
	})
	ask(&a.encrypt, seal(p.local))
	ask(&a.direct, seal(p.direct))
	wg.Wait()
	return &a
}

// within checks that the longest call took no more than a limit and the delay that
// the machine adds.
func within(t *testing.T, what string, longest, limit, delay time.Duration) {
	t.Helper()
	if longest > limit+delay {
		t.Errorf("%s took %v, want at most %v and the %v that this machine adds", what, longest, limit, delay)
	}
}
