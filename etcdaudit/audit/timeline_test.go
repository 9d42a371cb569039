package audit_test

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// timelines reads one plaintext Secret from each scope, whose file was last written a day ago.
func timelines(t *testing.T, scopes ...record.Scope) *auditv1.Report {
	t.Helper()
	o := audit.Options{Groups: rules.Groups{Data: true}, Timeline: &timeline.Options{Memory: 1 << 20, Now: time.Now()}}
	for _, s := range scopes {
		rec := stored.Record("secrets/default/a", stored.Plaintext, 7)
		rec.Origin.Layer = s.Layer
		o.Sources = append(o.Sources, stored.Source{Scope: s, All: []record.Record{rec}})
	}
	return testkit.Must(audit.Run(t.Context(), o))(t)
}

func aDayOld(name string, layer record.Layer) record.Scope {
	return record.Scope{
		Layer: layer, Prefix: "/registry/", Revision: 9, Time: time.Now(),
		Sources: []record.Input{{Name: name, Bytes: 1, Modified: time.Now().AddDate(0, 0, -1)}},
	}
}

func TestAFileInUseWasWrittenUntilItWasRead(t *testing.T) {
	inUse := aDayOld("w", record.WAL)
	inUse.InUse = true
	for source, s := range map[string]record.Scope{"file time": aDayOld("d", record.FreePages), "time of the scan": inUse} {
		before := time.Now()
		b := timelines(t, s).Timelines[0].Readable[0].From
		if b.NotAfterSource != source || source == "time of the scan" && b.NotAfter.AsTime().Before(before) {
			t.Errorf("%v, want %s", b, source)
		}
	}
	if b := timelines(t, aDayOld("d", record.Undetermined)).Timelines[0].Readable[0].From; b.NotAfterSource != "time of the scan" {
		t.Errorf("%v", b)
	}
}

func TestSourcesOfOneClusterMakeOneTimeline(t *testing.T) {
	data, snapshot, restored := aDayOld("db", record.Live), aDayOld("snapshot", record.Live), aDayOld("restored", record.Live)
	data.ClusterID, data.Member = "c", "1"
	snapshot.Cluster.Members, restored.Cluster.Members = []record.Member{{ID: "1"}, {ID: "2"}}, []record.Member{{ID: "3"}}
	for name, tc := range map[string]struct {
		scopes []record.Scope
		want   int
	}{
		"a data directory and its snapshot": {[]record.Scope{data, snapshot}, 1},
		"the other way round":               {[]record.Scope{snapshot, data}, 1},
		"a restored cluster":                {[]record.Scope{data, restored}, 2},
		"two that say nothing":              {[]record.Scope{aDayOld("a", record.Live), aDayOld("b", record.Live)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := timelines(t, tc.scopes...)
			if len(r.Timelines) != tc.want || len(r.TimelineBasis) != tc.want || tc.want == 1 && len(r.Timelines[0].RecoverableIn) != 2 {
				t.Errorf("%v", r.Timelines)
			}
		})
	}
}

// What a member has sent is of the moment it was sent at. What lies in its file behind that is read
// afterwards, and may be written until then.
func TestAMembersOwnSnapshotIsOlderThanTheRestOfItsFile(t *testing.T) {
	for layer, read := range map[record.Layer]bool{record.Live: false, record.FreePages: true} {
		s := aDayOld("db", layer)
		s.As, s.Time, s.Sources[0].Modified = "as https://192.0.2.1:2379 sent it", time.Now().Add(-time.Hour), time.Time{}
		before := time.Now()
		b := timelines(t, s).Timelines[0].Readable[0].From
		if b.NotAfterSource != "time of the scan" || b.NotAfter.AsTime().Before(before) == read || b.NotAfter.AsTime().Before(s.Time) {
			t.Errorf("%s: %v", layer, b)
		}
	}
}
