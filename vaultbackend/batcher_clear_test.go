package vaultbackend

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// TestAnAnswerWithoutAnOwnerIsCleared has callers who give up before, with or
// after an answer that comes whatever they do: a store may not heed that a request
// was given up.
func TestAnAnswerWithoutAnOwnerIsCleared(t *testing.T) {
	const answered = 50 * time.Millisecond
	for _, row := range []struct {
		name     string
		deadline []time.Duration // of those who ask for the same
	}{
		{"one who waits", []time.Duration{time.Hour}},
		{"one who gives up", []time.Duration{10 * time.Millisecond}},
		{"one who gives up as the answer comes", []time.Duration{answered}},
		{"all of several give up", []time.Duration{20 * time.Millisecond, 10 * time.Millisecond}},
		{"the first of several gives up", []time.Duration{10 * time.Millisecond, time.Hour}},
		{"the last of several gives up", []time.Duration{time.Hour, 10 * time.Millisecond}},
		{"no caller gives up", []time.Duration{time.Hour, time.Hour}},
	} {
		for _, shared := range []bool{false, true} {
			name := row.name + ", in a request of the first one's own"
			if shared {
				name = row.name + ", in a shared request"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					life, end := context.WithCancel(t.Context())
					defer end()
					var mu sync.Mutex
					var answers [][]byte
					b := newBatcher(life, func(_ context.Context, tasks []task) ([]backend.Result, error) {
						results := make([]backend.Result, len(tasks))
						mu.Lock()
						for i := range tasks {
							results[i].Data = []byte("a plaintext")
							answers = append(answers, results[i].Data)
						}
						mu.Unlock()
						time.Sleep(answered)
						return results, nil
					})
					if shared {
						ask(t.Context(), b, "c0") // under way, so that the others wait
					}
					var asked []<-chan []backend.Result
					for _, d := range row.deadline {
						if shared {
							d += answered
						}
						ctx, cancel := context.WithTimeout(t.Context(), d)
						t.Cleanup(cancel)
						asked = append(asked, ask(ctx, b, "c1"))
					}
					for i, a := range asked {
						if r := (<-a)[0]; row.deadline[i] == time.Hour && string(r.Data) != "a plaintext" {
							t.Errorf("who waited got %q, %v", r.Data, r.Err)
						}
					}
					time.Sleep(time.Second)
					synctest.Wait()
					mu.Lock()
					defer mu.Unlock()
					if len(answers) == 0 {
						t.Fatal("nothing was asked for")
					}
					for _, a := range answers {
						if !bytes.Equal(a, make([]byte, len(a))) {
							t.Errorf("left in memory: %q", a)
						}
					}
					b.close()
				})
			})
		}
	}
}
