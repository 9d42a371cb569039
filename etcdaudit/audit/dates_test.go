package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// dated has a readable object of each of n hours, at every tenth revision, and an encrypted Secret
// that was written at a revision.
func dated(n int, revision int64) (all []record.Record, begin time.Time) {
	begin = time.Date(2020, 1, 2, 3, 0, 0, 0, time.UTC)
	for i := range n {
		rec := stored.Record(fmt.Sprintf("configmaps/default/%05d", i), fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"creationTimestamp":%q}}`, begin.Add(time.Duration(i)*time.Hour).Format(time.RFC3339)), int64(10*i+10))
		rec.CreateRevision = rec.ModRevision
		all = append(all, rec)
	}
	return append(all, stored.Record("secrets/default/a", stored.KMSv2("p", "k", 1), revision)), begin
}

func written(t *testing.T, records []record.Record, entries ...string) *auditv1.Group {
	t.Helper()
	o := audit.Options{
		Groups: rules.Groups{Data: true}, Encryption: stored.Config(t, entries...), EncryptionFile: "e.yaml",
		Sources: []record.Source{stored.Source{Scope: record.Scope{Layer: record.Live, Prefix: "/registry/", Revision: 1 << 20, Time: time.Now()}, All: records}},
	}
	for _, r := range testkit.Must(audit.Run(t.Context(), o))(t).Scopes[0].Resources {
		if r.Resource == "secrets" {
			if entries != nil && (!r.Ruled || r.Entry != "secrets" || len(r.Providers) != 2 || r.Providers[0] != "kms v2 p") {
				t.Errorf("the rule is not that of the configuration: %v", r)
			}
			return r.Groups[0]
		}
	}
	t.Fatal("no Secrets")
	return nil
}

func TestSinceWhenValuesAreAsTheyAreIsDatedByObjectsThatCanBeRead(t *testing.T) {
	entry := stored.Entry("secrets", stored.KMS("v2", "p"), stored.Identity)
	records, begin := dated(5, 35)
	g := written(t, records, entry)
	low, high := g.OldestWritten.GetNotBefore().AsTime(), g.OldestWritten.GetNotAfter().AsTime()
	// The third object says two hours, the fourth three.
	if after, before := begin.Add(2*time.Hour), begin.Add(3*time.Hour); g.OldestRevision != 35 || low.After(after) || low.Before(after.Add(-time.Minute)) || high.Before(before) || high.After(before.Add(2*time.Minute)) {
		t.Errorf("revision %d from %v to %v", g.OldestRevision, low, high)
	}
	// Of many objects not all are read: the bounds are wider, and true.
	records, begin = dated(20_000, 150_005)
	b := written(t, records, entry).OldestWritten
	low, high = b.GetNotBefore().AsTime(), b.GetNotAfter().AsTime()
	if wide := 200 * time.Hour; low.After(begin.Add(14_999*time.Hour)) || high.Before(begin.Add(15_000*time.Hour)) || high.Sub(low) > wide || high.Sub(low) < 2*time.Hour {
		t.Errorf("from %v to %v", low, high)
	}
}

func TestWithoutAConfigurationNothingIsDated(t *testing.T) {
	records, _ := dated(5, 35)
	if g := written(t, records); g.OldestWritten != nil || g.OldestRevision != 35 {
		t.Errorf("%v", g)
	}
}
