package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/chaos/plan"
	"github.com/sealproof/sealproof/test/cluster"
)

const (
	// answerLimit bounds a request that is never answered. It is no claim: an API server
	// gives up after a minute.
	answerLimit = 2 * time.Minute
	// secrets bounds the Secrets of each writer: all are read again and again.
	secrets = 400
)

// load is what is asked all the time of a stage.
type load struct {
	*stage

	// ctx ends the loops, calls what they have begun; that ends with the test only.
	ctx, calls context.Context
	cancel     context.CancelFunc
	loops      sync.WaitGroup

	mu      sync.Mutex
	done    map[plan.Kind]*[plan.Hosts]int // what was served
	refused []refusal                      // not judged yet
	excused map[string]int                 // what was refused, by the reason that it may be
	wrong   []error                        // what no plan explains
	names   []string                       // of Secrets to be read
	seals   [plan.Hosts]*kms.DecryptRequest
}

// refusal is an operation that failed.
type refusal struct {
	plan.Op

	err error
}

// startLoad begins to write and to read.
func (s *stage) startLoad(t *testing.T) *load {
	t.Helper()
	l := &load{stage: s, excused: map[string]int{}, done: map[plan.Kind]*[plan.Hosts]int{
		plan.OwnSecret: {}, plan.AnySecret: {}, plan.SharedSecret: {}, plan.PluginCall: {}, plan.PluginOpens: {},
	}}
	l.calls = t.Context()
	l.ctx, l.cancel = context.WithCancel(l.calls)
	t.Cleanup(l.stop)
	for i := range s.hosts {
		l.every(80*time.Millisecond, l.writeOwn(i))
		l.every(40*time.Millisecond, l.readAny(i))
		l.every(50*time.Millisecond, l.call(i))
		// As kubelets and load balancers do: the API server then asks for Status more often.
		l.every(5*time.Second, func(int) { _, _, _ = s.hosts[i].api.Health(l.ctx, "/healthz/kms-providers") })
	}
	l.every(120*time.Millisecond, l.writeShared)
	return l
}

// every does something again and again, with a pause.
func (l *load) every(pause time.Duration, do func(n int)) {
	l.loops.Go(func() {
		for n := 0; l.ctx.Err() == nil; n++ {
			do(n)
			wait(l.ctx, pause)
		}
	})
}

func (l *load) stop() {
	l.cancel()
	l.loops.Wait()
}

// try does one operation, within its answerLimit, and notes what becomes of it.
func (l *load) try(kind plan.Kind, host int, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(l.calls, answerLimit)
	defer cancel()
	from := time.Now()
	err := do(ctx)
	op := plan.Op{Kind: kind, Host: host, Span: plan.Span{From: from, To: time.Now()}}

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.done[kind][host]++
	case errors.Is(err, cluster.ErrNotAsWritten) || errors.Is(err, errWentBack):
		l.wrong = append(l.wrong, err)
	default:
		l.refused = append(l.refused, refusal{op, err})
	}
}

// name returns the Secret of a writer's next turn, and whether it is a new one: that
// is so now and then, else it is one of those before.
func name(writer string, n int) (name string, isNew bool) {
	const newEvery = 4
	if n%newEvery == 0 && n/newEvery < secrets {
		return fmt.Sprintf("%s-%03d", writer, n/newEvery), true
	}
	known := min(n/newEvery+1, secrets)
	return fmt.Sprintf("%s-%03d", writer, n%known), false
}

// written lets readers know of a Secret that is new. Before its first write has begun
// nothing may be expected of it.
func (l *load) written(name string, isNew bool) {
	if isNew {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.names = append(l.names, name)
	}
}

// writeOwn writes Secrets that no other API server writes, and reads each one back: it
// takes no plugin for a while.
func (l *load) writeOwn(host int) func(int) {
	api, writer := l.hosts[host].api, fmt.Sprintf("own-%d", host)
	return func(n int) {
		name, isNew := name(writer, n)
		defer l.written(name, isNew)
		l.try(plan.OwnSecret, host, func(ctx context.Context) error {
			if err := l.secrets.Put(ctx, api, namespace, name); err != nil {
				return err
			}
			return l.secrets.ReadBack(ctx, api, namespace, name)
		})
	}
}

// writeShared writes Secrets through one API server and the other in turn.
func (l *load) writeShared(n int) {
	host := n % plan.Hosts
	name, isNew := name("shared", n/plan.Hosts)
	defer l.written(name, isNew)
	l.try(plan.SharedSecret, host, func(ctx context.Context) error {
		return l.secrets.Put(ctx, l.hosts[host].api, namespace, name)
	})
}

// readAny reads one Secret after the other, of every writer.
func (l *load) readAny(host int) func(int) {
	return func(n int) {
		l.mu.Lock()
		names := l.names
		l.mu.Unlock()
		if len(names) == 0 {
			return
		}
		l.try(plan.AnySecret, host, func(ctx context.Context) error {
			return l.secrets.ReadBack(ctx, l.hosts[host].api, namespace, names[n%len(names)])
		})
	}
}

// errWentBack says that a plugin writes with an older version than before.
var errWentBack = errors.New("the key_id went back")

// call asks a plugin for its Status, has it seal something and open it again, and has it
// open what the other one sealed last. API servers do so rarely; they would not notice a
// plugin that refuses for a moment.
func (l *load) call(host int) func(int) {
	plugin, newest := l.hosts[host].plugin, 0
	return func(n int) {
		l.try(plan.PluginCall, host, func(ctx context.Context) error {
			id, err := plugin.KeyID(ctx)
			if err != nil {
				return err
			}
			var version int
			if _, err := fmt.Sscanf(id, "v%d.", &version); err != nil || version < newest {
				return fmt.Errorf("%w: from version %d to %s", errWentBack, newest, id)
			}
			newest = version
			text := fmt.Append(nil, n)
			sealed, err := plugin.KMS().Encrypt(ctx, &kms.EncryptRequest{Plaintext: text, Uid: "chaos"})
			if err != nil {
				return fmt.Errorf("encrypt: %w", err)
			}
			r := &kms.DecryptRequest{Uid: "chaos", KeyId: sealed.GetKeyId(), Ciphertext: sealed.GetCiphertext(), Annotations: sealed.GetAnnotations()}
			opened, err := plugin.KMS().Decrypt(ctx, r)
			if err != nil {
				return fmt.Errorf("decrypt: %w", err)
			}
			if !slices.Equal(opened.GetPlaintext(), text) {
				return fmt.Errorf("%w: what a plugin sealed and opened", cluster.ErrNotAsWritten)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.seals[host] = r
			return nil
		})
		l.mu.Lock()
		other := l.seals[(host+1)%plan.Hosts]
		l.mu.Unlock()
		if other != nil {
			l.try(plan.PluginOpens, host, func(ctx context.Context) error {
				_, err := plugin.KMS().Decrypt(ctx, other)
				return err
			})
		}
	}
}

// served is how much of a kind a host has served.
func (l *load) served(kind plan.Kind, host int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done[kind][host]
}

// advance waits until every host has served some more of everything that is promised of
// it now: what hangs is not served, and how much there is to see after a step must not
// depend on how busy the machine is.
func (l *load) advance(t *testing.T) {
	t.Helper()
	const some = 3
	ctx, cancel := context.WithTimeout(t.Context(), stepLimit)
	defer cancel()
	for kind := range l.done {
		for host := range l.hosts {
			before := l.served(kind, host)
			err := cluster.Until(ctx, func(context.Context) error {
				now := time.Now()
				made := l.served(kind, host) - before
				if made >= some || l.record.Excuse(plan.Op{Kind: kind, Host: host, Span: plan.Span{From: now, To: now}}) != "" {
					return nil
				}
				return fmt.Errorf("host %d has served %d operations on %v", host, made, kind)
			})
			check(t, err)
		}
	}
}

// judge fails the test if anything was wrong, or refused and is promised. What was
// refused is judged once the record has the step that was being done.
func (l *load) judge(t *testing.T, step int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.refused {
		reason := l.record.Excuse(r.Op)
		if reason == "" {
			l.wrong = append(l.wrong, fmt.Errorf("host %d, operation on %v from %s to %s, refused and promised: %w",
				r.Host, r.Kind, r.From.Format(time.StampMilli), r.To.Format(time.StampMilli), r.err))
		}
		l.excused[reason]++
	}
	l.refused = nil
	if len(l.wrong) > 0 {
		t.Fatalf("after step %d: %d operations went wrong:\n%v", step, len(l.wrong), errors.Join(l.wrong[:min(len(l.wrong), 10)]...))
	}
}

// report says how much there was to judge.
func (l *load) report(t *testing.T) {
	t.Helper()
	for _, kind := range slices.Sorted(maps.Keys(l.done)) {
		t.Logf("served on %v, by host: %v", kind, *l.done[kind])
	}
	for _, reason := range slices.Sorted(maps.Keys(l.excused)) {
		t.Logf("refused %d times: %s", l.excused[reason], reason)
	}
}
