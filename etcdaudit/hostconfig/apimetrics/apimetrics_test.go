package apimetrics

import (
	"fmt"
	"strings"
	"testing"
)

const (
	failed = `apiserver_encryption_config_controller_automatic_reloads_total{apiserver_id_hash="sha256:00",status="failure"} 7
apiserver_encryption_config_controller_automatic_reloads_total{apiserver_id_hash="sha256:00",status="success"} 2
`
	inForce = `apiserver_encryption_config_controller_last_config_info{apiserver_id_hash="sha256:00",hash="sha256:ba48"} 1
`
)

func TestTheFileInForceIsKnownByItsHash(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want string
		ok   bool
	}{
		"refused reloads":             {"# a comment\n" + failed + inForce, "sha256:ba48 2 7 ", true},
		"two API servers":             {inForce + strings.ReplaceAll(inForce, "ba48", "ff"), "the metrics are of several", true},
		"an API server that is older": {"apiserver_request_total 1\n", "have no apiserver_encryption", true},
		"another program":             {"go_goroutines 8\n", "", false},
		"no metrics":                  {"<html>", "", false},
		"nothing":                     {"", "", false},
	} {
		m, err := Parse([]byte(tc.text))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
		if m != nil && !strings.Contains(fmt.Sprint(m.Hash, " ", m.Successes, " ", m.Failures, " ", m.Missing), tc.want) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(failed + inForce))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse(text) })
}
