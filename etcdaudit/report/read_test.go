package report_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/report"
)

func TestAStoredReportIsReadAsItWas(t *testing.T) {
	back, err := report.Read(strings.NewReader(as(t, report.FormatJSON, everything())), report.Longest)
	if err != nil || !proto.Equal(back, everything()) {
		t.Errorf("%v, %v", err, back)
	}
}

func TestALaterVersionsReportIsReadWithoutWhatIsNew(t *testing.T) {
	text := as(t, report.FormatJSON, everything())
	text = strings.Replace(text, `"scopes":`, `"new_field": {"a": [1]}, "scopes":`, 1)
	text = strings.Replace(text, `"STATUS_FAIL"`, `"STATUS_FROM_THE_FUTURE"`, 1) // that of the verdict's text comes first
	r, err := report.Read(strings.NewReader(text), report.Longest)
	if err != nil {
		t.Fatal(err)
	}
	if report.ExitStatus(r) == report.ExitPass {
		t.Error("an unknown status is a pass")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		from io.Reader
		says string
	}{
		"nothing":            {strings.NewReader(""), "no report"},
		"no JSON":            {strings.NewReader("\x7fELF"), "no report"},
		"other JSON":         {strings.NewReader(`{"apiVersion": "v1", "kind": "Secret"}`), "no report"},
		"a list":             {strings.NewReader(`[1, 2]`), "no report"},
		"a truncated report": {strings.NewReader(as(t, report.FormatJSON, everything())[:4000]), "no report"},
		"of a wrong type":    {strings.NewReader(`{"verdict": 3}`), "no report"},
		"deeply nested":      {strings.NewReader(`{"x":` + strings.Repeat("[", 1<<20)), "no report"},
		"without an end":     {endless{}, "more than 4194304 bytes"},
	} {
		r, err := report.Read(tt.from, 4<<20)
		if err == nil || r != nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if tt.says == "no report" && !errors.Is(err, report.ErrNotAReport) {
			t.Errorf("%s: %v is another error", name, err)
		}
	}
}

// A stored report can come from anywhere: its texts must neither move a terminal's cursor nor
// break XML.
func TestTextsOfAStoredReportAreMadePrintable(t *testing.T) {
	evil := everything()
	evil.Checks[0].Results[0].Objects[0].Name = "a\x1b[2Jb\u202ec\x01"
	evil.Scopes[1].Sources[0].Name = "x\ny"
	evil.Checks[0].Results[0].Identity = []string{"live", "a\u0000b"}
	r, err := report.Read(strings.NewReader(as(t, report.FormatJSON, evil)), report.Longest)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Checks[0].Results[0].Objects[0].Name + r.Scopes[1].Sources[0].Name + r.Checks[0].Results[0].Identity[1]; got != `a\x1b[2Jb\u202ec\x01x\nya\x00b` {
		t.Errorf("%q", got)
	}
	for _, f := range report.Formats() {
		if out := as(t, f, r); strings.ContainsAny(out, "\x1b\u202e\x01\x00") {
			t.Errorf("%s has control characters", f)
		}
	}
}
