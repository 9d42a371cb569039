package verify_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/verify"
)

// answers gives one error after the other, the last one for ever.
type answers struct {
	errs  []error
	asked []time.Time
}

func (a *answers) Unwrap(context.Context, verify.Source) ([]byte, error) {
	a.asked = append(a.asked, time.Now())
	err := a.errs[0]
	if len(a.errs) > 1 {
		a.errs = a.errs[1:]
	}
	if err != nil {
		return nil, err
	}
	return []byte(canary), nil
}

func TestRequestsAreSpreadAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := &answers{errs: []error{nil}}
		p := verify.Paced("a", a, verify.Pace{PerSecond: 10, GiveUp: 3}, slog.New(slog.NewTextHandler(&log, nil)))
		start := time.Now()
		for range 21 {
			if _, err := p.Unwrap(t.Context(), verify.Source{DEKSource: []byte("source"), KeyID: "k1"}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("21 requests took %v", took)
		}
		if text := log.String(); strings.Count(text, "key_id=k1") != 21 || strings.Contains(text, "horse") {
			t.Errorf("the log: %s", text)
		}
	})
}

func TestAnUnwrapperThatIsSilentIsGivenUp(t *testing.T) {
	silent := errors.New("no answer")
	refused := &verify.UnwrapError{Outcome: verify.WrongKey, Err: errors.New("refused")}
	synctest.Test(t, func(t *testing.T) {
		// An answer in between counts, whatever it is.
		a := &answers{errs: []error{silent, silent, nil, silent, silent, refused, silent, silent, silent}}
		p := verify.Paced("a", a, verify.Pace{PerSecond: 1000, GiveUp: 3}, slog.New(slog.DiscardHandler))
		var last error
		for range 12 {
			_, last = p.Unwrap(t.Context(), verify.Source{})
		}
		if len(a.asked) != 9 || last == nil || last.Error() != "not asked, because 3 requests in a row had no answer: no answer" {
			t.Errorf("asked %d times; %v", len(a.asked), last)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := &answers{errs: []error{nil}}
		p := verify.Paced("a", a, verify.Pace{}, slog.New(slog.DiscardHandler))
		for range 3 {
			_, _ = p.Unwrap(t.Context(), verify.Source{})
		}
		if len(a.asked) != 3 || a.asked[2].Sub(a.asked[0]) != 2*time.Second {
			t.Errorf("without a pace: %v", a.asked)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := &answers{errs: []error{nil}}
		p := verify.Paced("a", a, verify.Pace{PerSecond: 1, GiveUp: 3}, slog.New(slog.DiscardHandler))
		_, _ = p.Unwrap(ctx, verify.Source{})
		cancel()
		if _, err := p.Unwrap(ctx, verify.Source{}); !errors.Is(err, context.Canceled) || len(a.asked) != 1 {
			t.Errorf("after the end: %v, asked %d times", err, len(a.asked))
		}
	})
}
