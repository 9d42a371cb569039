package verify_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/verify"
)

func TestSeveralAreAskedUntilOneOpensASource(t *testing.T) {
	as := func(o verify.Outcome) error { return &verify.UnwrapError{Outcome: o, Err: errors.New(o.String())} }
	silent := errors.New("no answer")
	for what, tc := range map[string]struct {
		errs  []error
		want  error
		asked int
	}{
		"the first":            {[]error{nil, silent}, nil, 1},
		"the second":           {[]error{silent, nil}, nil, 2},
		"none":                 {[]error{as(verify.WrongKey), as(verify.WrongKey)}, as(verify.WrongKey), 2},
		"one is silent":        {[]error{as(verify.WrongKey), silent, as(verify.VersionRetired)}, silent, 3},
		"one knows why":        {[]error{as(verify.WrongKey), as(verify.VersionRetired), as(verify.Refused)}, as(verify.VersionRetired), 3},
		"one refuses":          {[]error{as(verify.WrongKey), as(verify.Refused)}, as(verify.Refused), 2},
		"nobody is there":      {nil, errors.New("nothing was given that opens KMS v2"), 0},
		"the first of several": {[]error{as(verify.OtherCluster), as(verify.VersionRetired)}, as(verify.OtherCluster), 2},
	} {
		var all []verify.Unwrapper
		var each []*answers
		for _, err := range tc.errs {
			a := &answers{errs: []error{err}}
			each, all = append(each, a), append(all, a)
		}
		secret, err := verify.Any(all...).Unwrap(t.Context(), verify.Source{})
		asked := 0
		for _, a := range each {
			asked += len(a.asked)
		}
		if (err == nil) != (tc.want == nil) || err != nil && err.Error() != tc.want.Error() || (string(secret) == canary) != (err == nil) || asked != tc.asked {
			t.Errorf("%s: %v, want %v; asked %d", what, err, tc.want, asked)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := &answers{errs: []error{nil}}
	if _, err := verify.Any(&answers{errs: []error{silent}}, second).Unwrap(ctx, verify.Source{}); !errors.Is(err, context.Canceled) || len(second.asked) != 0 {
		t.Errorf("after the end: %v, asked %d times", err, len(second.asked))
	}
}
