package offline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealproof/sealproof/test/testkit"
)

// numbers puts the numbers below n.
func numbers(n int) func(context.Context, func(int) error) error {
	return func(_ context.Context, put func(int) error) error {
		for i := range n {
			if err := put(i); err != nil {
				return err
			}
		}
		return nil
	}
}

// onSomeProcessors runs a test on one processor and on several.
func onSomeProcessors(t *testing.T, test func(t *testing.T)) {
	for _, n := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			test(t)
		})
	}
}

func TestItemsAreUsedInTheirOrder(t *testing.T) {
	onSomeProcessors(t, func(t *testing.T) {
		const n = 1000
		var worked [n]atomic.Bool
		next := 0
		testkit.Check(t, inOrder(t.Context(), numbers(n),
			func(_ context.Context, i int) error {
				for range (n - i) % 7 * 100 {
					runtime.Gosched() // later ones would be ready first
				}
				worked[i].Store(true)
				return nil
			},
			func(i int) error {
				if i != next || !worked[i].Load() {
					t.Errorf("item %d is used where %d should be, worked on: %t", i, next, worked[i].Load())
				}
				next++
				return nil
			}))
		if next != n {
			t.Errorf("%d of %d items were used", next, n)
		}
	})
}

func TestItemsAreWorkedOnAtTheSameTime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var both sync.WaitGroup
	both.Add(2)
	testkit.Check(t, inOrder(t.Context(), numbers(2), func(context.Context, int) error {
		both.Done()
		both.Wait() // for ever, if they are worked on one after the other
		return nil
	}, func(int) error { return nil }))
}

func TestFewItemsAreInMemory(t *testing.T) {
	onSomeProcessors(t, func(t *testing.T) {
		var made, used atomic.Int64
		testkit.Check(t, inOrder(t.Context(),
			func(_ context.Context, put func(int) error) error {
				for i := range 1000 {
					if ahead := made.Add(1) - used.Load(); ahead > int64(runtime.GOMAXPROCS(0)+3) {
						t.Errorf("%d items are in memory", ahead)
					}
					if err := put(i); err != nil {
						return err
					}
				}
				return nil
			},
			func(context.Context, int) error { return nil },
			func(int) error { used.Add(1); return nil }))
	})
}

func TestTheFirstErrorEndsAll(t *testing.T) {
	failed := errors.New("failed")
	fail := func(at int, kind, of string) func(int) error {
		return func(i int) error {
			if i == at && kind == of {
				return failed
			}
			return nil
		}
	}
	onSomeProcessors(t, func(t *testing.T) {
		for _, kind := range []string{"produce", "work", "use", "context"} {
			before, last := runtime.NumGoroutine(), -1
			ctx, cancel := context.WithCancelCause(t.Context())
			err := inOrder(ctx,
				func(_ context.Context, put func(int) error) error {
					for i := 0; ; i++ { // ends by an error only
						if err := errors.Join(fail(50, kind, "produce")(i), put(i)); err != nil {
							return err
						}
					}
				},
				func(ctx context.Context, i int) error {
					if kind == "context" && i == 50 {
						cancel(failed)
						<-ctx.Done()
						return context.Cause(ctx)
					}
					return fail(50, kind, "work")(i)
				},
				func(i int) error { last = i; return fail(50, kind, "use")(i) })
			cancel(nil)
			if !errors.Is(err, failed) {
				t.Errorf("%s: %v", kind, err)
			}
			if want := map[string]int{"produce": 50, "work": 49, "use": 50}[kind]; want != 0 && last != want {
				t.Errorf("%s: the last item that was used is %d, want %d", kind, last, want)
			}
			for runtime.NumGoroutine() > before { // one that is left hangs the test
				runtime.Gosched()
			}
		}
	})
}
