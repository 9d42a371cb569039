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

const used = `apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:00",status="failure"} 1.8e+09
apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:00",status="success"} 1.7e+09
apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds{apiserver_id_hash="sha256:00",key_id_hash="sha256:bb",provider_name="p"} 1.7e+09
apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds{apiserver_id_hash="sha256:00",key_id_hash="sha256:aa",provider_name="p"} 1.6e+09
apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds{apiserver_id_hash="sha256:00",key_id_hash="sha256:cc",provider_name="q"} 1.5e+09
apiserver_envelope_encryption_key_id_hash_total{apiserver_id_hash="sha256:00",key_id_hash="sha256:aa",provider_name="p",transformation_type="from_storage"} 4
apiserver_envelope_encryption_key_id_hash_total{apiserver_id_hash="sha256:00",key_id_hash="sha256:bb",provider_name="p",transformation_type="to_storage"} 2
`

func TestTheKeyIDThatStatusReturnedLastIsTheCurrentOne(t *testing.T) {
	m, err := Parse([]byte(used))
	if err != nil {
		t.Fatal(err)
	}
	if m.Current["p"] != "sha256:bb" || m.Current["q"] != "sha256:cc" || len(m.Current) != 2 {
		t.Errorf("%v", m.Current)
	}
	if !m.Opened["sha256:aa"] || len(m.Opened) != 1 || m.Reloaded.Unix() != 1_700_000_000 {
		t.Errorf("%v, %v", m.Opened, m.Reloaded)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(failed + inForce + used))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse(text) })
}
