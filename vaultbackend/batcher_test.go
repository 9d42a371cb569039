package vaultbackend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// slowStore is a fake store that opens "c…" to "p…" after a while. It is fake
// because who waits for whom can only be controlled with time stopped.
type slowStore struct {
	delay time.Duration

	mu        sync.Mutex
	batches   [][]string
	cancelled int
}

func (s *slowStore) send(ctx context.Context, tasks []task) ([]backend.Result, error) {
	var batch []string
	results := make([]backend.Result, len(tasks))
	for i, t := range tasks {
		batch = append(batch, t.item.Ciphertext)
		results[i].Data = append([]byte("p"), t.item.Ciphertext[1:]...)
	}
	s.mu.Lock()
	s.batches = append(s.batches, batch)
	s.mu.Unlock()
	select {
	case <-time.After(s.delay):
		return results, nil
	case <-ctx.Done():
		s.mu.Lock()
		s.cancelled++
		s.mu.Unlock()
		return nil, ctx.Err()
	}
}

func (s *slowStore) sent() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches)
}

// gather runs a test on a batcher in a bubble of stopped time.
func gather(t *testing.T, delay time.Duration, test func(t *testing.T, b *batcher, s *slowStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(t.Context())
		s := &slowStore{delay: delay}
		b := newBatcher(life, s.send)
		test(t, b, s)
		end()
		b.close()
		if len(b.asked) != 0 || b.active != 0 || b.fast != 0 {
			t.Errorf("left over: %d calls, %d batches, %d of them fast", len(b.asked), b.active, b.fast)
		}
	})
}

func ciphertexts(names ...string) []task {
	var tasks []task
	for _, n := range names {
		tasks = append(tasks, task{item: batchItem{Ciphertext: n}})
	}
	return tasks
}

// ask asks in the background and puts what comes back on a channel.
func ask(ctx context.Context, b *batcher, names ...string) <-chan []backend.Result {
	done := make(chan []backend.Result, 1)
	go func() {
		results, err := b.do(ctx, ciphertexts(names...))
		if err != nil {
			results = []backend.Result{{Err: err}}
		}
		done <- results
	}()
	synctest.Wait()
	return done
}

func TestALoneDecryptIsSentAtOnce(t *testing.T) {
	gather(t, 10*time.Millisecond, func(t *testing.T, b *batcher, s *slowStore) {
		start := time.Now()
		results, err := b.do(t.Context(), ciphertexts("c1"))
		if err != nil || string(results[0].Data) != "p1" {
			t.Fatalf("%v, %v", results, err)
		}
		if took := time.Since(start); took != s.delay {
			t.Errorf("took %v, want the %v of the request itself", took, s.delay)
		}
	})
}

func TestWhatArrivesDuringARequestGoesOutTogether(t *testing.T) {
	gather(t, 10*time.Millisecond, func(t *testing.T, b *batcher, s *slowStore) {
		first := ask(t.Context(), b, "c0")
		var rest []<-chan []backend.Result
		for i := range 63 {
			rest = append(rest, ask(t.Context(), b, fmt.Sprintf("c%d", i+1)))
		}
		<-first
		for i, r := range rest {
			if got := (<-r)[0]; string(got.Data) != fmt.Sprintf("p%d", i+1) {
				t.Errorf("item %d: %q, %v", i+1, got.Data, got.Err)
			}
		}
		if sent := s.sent(); len(sent) != 2 || len(sent[0]) != 1 || len(sent[1]) != 63 {
			t.Errorf("sent %v, want one item and then the other 63", sent)
		}
	})
}

func TestIdenticalDecryptsShareOneItemAndNoMemory(t *testing.T) {
	gather(t, 10*time.Millisecond, func(t *testing.T, b *batcher, s *slowStore) {
		first, second := ask(t.Context(), b, "c1"), ask(t.Context(), b, "c1", "c1")
		one, two := <-first, <-second
		clear(one[0].Data)
		for _, r := range two {
			if string(r.Data) != "p1" {
				t.Errorf("got %q after another caller cleared its copy", r.Data)
			}
		}
		if sent := s.sent(); len(sent) != 1 || len(sent[0]) != 1 {
			t.Errorf("sent %v, want one request with one item", sent)
		}
	})
}

func TestTheSameCiphertextWithOtherAssociatedDataIsAnotherItem(t *testing.T) {
	items := []batchItem{
		{Ciphertext: "bc"}, {Ciphertext: "c", AssociatedData: []byte("b")},
		{Ciphertext: "bc", AssociatedData: []byte("a")}, {Ciphertext: "abc"},
	}
	seen := map[string]bool{}
	for _, item := range items {
		seen[item.identity()] = true
	}
	if len(seen) != len(items) {
		t.Errorf("%d distinct items, want %d", len(seen), len(items))
	}
}

func TestACallerThatGivesUpNeitherCancelsNorDelaysASharedRequest(t *testing.T) {
	gather(t, 50*time.Millisecond, func(t *testing.T, b *batcher, s *slowStore) {
		start := time.Now()
		ask(t.Context(), b, "c0")
		short, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		defer cancel()
		impatient := ask(short, b, "c1", "c2")
		patient := ask(t.Context(), b, "c1")

		if err := (<-impatient)[0].Err; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("impatient caller got %v", err)
		}
		if took := time.Since(start); took != 60*time.Millisecond {
			t.Errorf("the impatient waited %v", took)
		}
		if r := (<-patient)[0]; string(r.Data) != "p1" || time.Since(start) != 100*time.Millisecond {
			t.Errorf("patient caller got %q, %v after %v", r.Data, r.Err, time.Since(start))
		}
		if sent := s.sent(); len(sent) != 2 {
			t.Errorf("sent %v, want two requests", sent)
		}
	})
}

func TestWhoJoinedACallerThatGivesUpIsServedByARequestOfTheirOwn(t *testing.T) {
	gather(t, 50*time.Millisecond, func(t *testing.T, b *batcher, s *slowStore) {
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		shorter, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		impatient := ask(short, b, "c1")
		patient := ask(t.Context(), b, "c1")
		queued := ask(shorter, b, "c2")
		other := ask(t.Context(), b, "c3")

		if err := (<-impatient)[0].Err; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("impatient caller got %v", err)
		}
		<-queued
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("the impatient waited %v", took)
		}
		if r := (<-patient)[0]; string(r.Data) != "p1" || time.Since(start) != 60*time.Millisecond {
			t.Errorf("patient caller got %q, %v after %v", r.Data, r.Err, time.Since(start))
		}
		if r := (<-other)[0]; string(r.Data) != "p3" {
			t.Errorf("other caller got %q, %v", r.Data, r.Err)
		}
		if sent := s.sent(); len(sent) != 2 || !slices.Equal(sent[1], []string{"c3", "c1"}) {
			t.Errorf("sent %v: c2 was given up before it could be sent", sent)
		}
	})
}

func TestARequestWithoutCallersIsCancelled(t *testing.T) {
	gather(t, time.Hour, func(t *testing.T, b *batcher, s *slowStore) {
		ctx, cancel := context.WithCancel(t.Context())
		before, cancelBefore := context.WithCancel(t.Context())
		first, second := ask(ctx, b, "c1", "c2"), ask(before, b, "c1")
		cancelBefore()
		<-second
		cancel()
		<-first
		synctest.Wait()
		if s.cancelled != 1 {
			t.Errorf("%d requests cancelled, want 1", s.cancelled)
		}
	})
}

func TestASlowRequestDoesNotHoldUpOthers(t *testing.T) {
	gather(t, time.Second, func(t *testing.T, b *batcher, s *slowStore) {
		start := time.Now()
		ask(t.Context(), b, "c1")
		second := ask(t.Context(), b, "c2")
		<-second
		if took := time.Since(start); took != slowBatch+time.Second {
			t.Errorf("the second took %v, want %v", took, slowBatch+time.Second)
		}
	})
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	gather(t, time.Second, func(t *testing.T, b *batcher, s *slowStore) {
		var all []<-chan []backend.Result
		for i := range 8 {
			all = append(all, ask(t.Context(), b, fmt.Sprintf("c%d", i)))
			time.Sleep(slowBatch + time.Millisecond)
			synctest.Wait()
		}
		if sent := s.sent(); len(sent) != maxBatches {
			t.Errorf("%d requests under way, want %d", len(sent), maxBatches)
		}
		for _, a := range all {
			<-a
		}
	})
}

func TestARequestThatNeverEndsIsEnded(t *testing.T) {
	gather(t, time.Hour, func(t *testing.T, b *batcher, _ *slowStore) {
		start := time.Now()
		results, err := b.do(t.Context(), ciphertexts("c1"))
		if err != nil || !errors.Is(results[0].Err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", results, err)
		}
		if took := time.Since(start); took != batchTimeout {
			t.Errorf("took %v, want %v", took, batchTimeout)
		}
	})
}

// TestAPanicHoldsUpNoOtherCaller is about a caller's own request, which the plugin's
// gRPC server lives on after.
func TestAPanicHoldsUpNoOtherCaller(t *testing.T) {
	gather(t, 10*time.Millisecond, func(t *testing.T, b *batcher, s *slowStore) {
		b.send = func(ctx context.Context, tasks []task) ([]backend.Result, error) {
			time.Sleep(s.delay)
			if tasks[0].item.Ciphertext == "c0" {
				panic("as told")
			}
			return s.send(ctx, tasks)
		}
		panicked := make(chan any, 1)
		go func() {
			defer func() { panicked <- recover() }()
			_, _ = b.do(t.Context(), ciphertexts("c0"))
		}()
		synctest.Wait()
		joined, next := ask(t.Context(), b, "c0"), ask(t.Context(), b, "c1")
		if said := <-panicked; said != "as told" {
			t.Fatalf("recovered %v", said)
		}
		if r := (<-joined)[0]; backend.ReasonOf(r.Err) != "the request broke off inside the plugin" {
			t.Errorf("who waited for the same got %v", r.Err)
		}
		if r := (<-next)[0]; string(r.Data) != "p1" {
			t.Errorf("the next one got %q, %v", r.Data, r.Err)
		}
	})
}

func TestCloseAnswersEveryCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(t.Context())
		b := newBatcher(life, (&slowStore{delay: time.Hour}).send)
		flying, queued := ask(t.Context(), b, "c1"), ask(t.Context(), b, "c2")
		end()
		b.close()
		for _, c := range []<-chan []backend.Result{flying, queued, ask(t.Context(), b, "c3")} {
			if r := (<-c)[0]; r.Err == nil {
				t.Error("an answer from a closed client")
			}
		}
	})
}

func TestFittingKeepsRequestsBounded(t *testing.T) {
	for _, row := range []struct {
		name         string
		items, bytes int
		want         int
	}{
		{"a few small ones all fit", 5, 100, 5},
		{"the number is bounded", 1000, 100, maxItems},
		{"the size is bounded", 100, maxBody / 10, 10},
		{"one always goes, whatever its size", 3, 2 * maxBody, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := fitting(row.items, func(int) int { return row.bytes }); got != row.want {
				t.Errorf("%d fit, want %d", got, row.want)
			}
		})
	}
}

// TestTheSizeOfAnItemIsNotUnderestimated keeps requests below what Vault takes.
func TestTheSizeOfAnItemIsNotUnderestimated(t *testing.T) {
	const roundedUp = 8 // base64 of two fields
	long := bytes.Repeat([]byte("x"), 10_000)
	for name, item := range map[string]batchItem{
		"a plaintext": {Plaintext: long, KeyVersion: math.MaxInt32}, "an input": {Input: long}, "a ciphertext": {Ciphertext: string(long)},
		"associated data": {AssociatedData: long}, "all that is encrypted": {Plaintext: long, AssociatedData: long, KeyVersion: 1},
	} {
		text, err := json.Marshal(item)
		must(t, err)
		if item.size()+roundedUp < len(text) || item.size() > len(text)+100 {
			t.Errorf("%s takes %d bytes, not about %d", name, len(text), item.size())
		}
	}
}
