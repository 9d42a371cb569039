package data_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestWritesPerKey(t *testing.T) {
	type key struct {
		name             string
		values           int
		version, written int64 // of each value
	}
	for _, tt := range []struct {
		name     string
		keys     []key
		revision int64
		status   check.Status
		count    int64
		expected bool
		says     string
	}{
		{"an etcd with few writes", []key{{"k", 2, 3, 7}}, 199_999, check.Pass, 0, false, "etcd has made 199999 revisions in all"},
		{"a key of which nobody knows", []key{{"k", 2, 3, 7}}, 500_000, check.NotEvaluated, 0, true, "key k has written at least 2 values, under etcd keys that were written 6 times, under earlier keys as well, and has written for 499993 revisions of etcd or more"},
		{"values that were written often", []key{{"k", 2, 100_000, 7}, {"l", 9, 1, 7}}, 500_000, check.Warn, 2, false, "written 200000 times"},
		{"just below", []key{{"k", 1, 199_999, 7}}, 500_000, check.NotEvaluated, 0, true, "at least 1 value"},
		{"many values", []key{{"k", 200_000, 1, 7}}, 500_000, check.Warn, 200_000, false, "key k has written at least 200000 values"},
		{"a revision that is not known", []key{{"k", 1, 1, 0}}, 0, check.NotEvaluated, 0, true, "key k"},
		{"no aesgcm", nil, 500_000, check.NotApplicable, 0, false, "aesgcm"},
	} {
		records := []record.Record{stored.Record("namespaces/default", stored.Plaintext, 1)}
		for _, k := range tt.keys {
			for i := range k.values {
				// All have the same bytes: copies, as far as nonces are concerned.
				rec := stored.Record(fmt.Sprintf("secrets/default/%s-%d", k.name, i), stored.Keyed("aesgcm", k.name, ""), k.written)
				rec.Version = k.version
				records = append(records, rec)
			}
		}
		f := stored.Facts(nil, records...)
		f.Stores[0].Scope.Revision = tt.revision
		r := stored.Result(t, f, "EA-162")
		if r.Status != tt.status || r.Count != tt.count || r.Expected != tt.expected || !strings.Contains(r.Summary+r.Reason, tt.says) {
			t.Errorf("%s: %v, count %d, expected %v: %s%s", tt.name, r.Status, r.Count, r.Expected, r.Summary, r.Reason)
		}
	}
}
