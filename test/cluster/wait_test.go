package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntilEndsWithWhatWasSeenLast(t *testing.T) {
	missing, broken := errors.New("not there yet"), errors.New("it will never be there")
	for name, tc := range map[string]struct {
		try   func(tries int) error
		limit time.Duration // of the context; 0 for none
		want  error
		took  time.Duration // at most
	}{
		"it comes at once":                 {func(int) error { return nil }, 0, nil, 0},
		"it comes":                         {func(n int) error { return map[bool]error{true: missing}[n < 10] }, 0, nil, 10 * time.Second},
		"the context ends":                 {func(int) error { return missing }, time.Second, missing, time.Second},
		"it never comes":                   {func(int) error { return missing }, 0, missing, startLimit},
		"it never comes, and time is long": {func(int) error { return missing }, time.Hour, missing, startLimit},
		"it can no longer come": {func(n int) error {
			if n < 3 {
				return missing
			}
			return fmt.Errorf("seen: %w", Hopeless(broken))
		}, 0, broken, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				if tc.limit > 0 {
					ctx, cancel = context.WithTimeout(ctx, tc.limit)
				}
				defer cancel()
				began, tries := time.Now(), 0
				err := Until(ctx, func(context.Context) error { tries++; return tc.try(tries) })
				if !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				if took := time.Since(began); took > tc.took {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
