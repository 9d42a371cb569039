package audit_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
)

// readings is a source that gives other records each time it is read. Each reading but the last ends
// with an error.
type readings struct {
	scopes []record.Scope
	all    [][]record.Record
	fails  error
	n      *int
}

func (r readings) Scopes() []record.Scope { return r.scopes }

func (r readings) Read(_ context.Context, add func([]record.Record) error) error {
	at := *r.n
	*r.n++
	if err := add(r.all[at]); err != nil || at == len(r.all)-1 {
		return errors.Join(err, r.fails)
	}
	return record.ErrRepeat
}

func reads(fails error, scopes []record.Scope, all ...[]record.Record) record.Source {
	return readings{scopes, all, fails, new(int)}
}

func scopeOf(layer record.Layer, name, member string) record.Scope {
	return record.Scope{
		Layer: layer, Prefix: "/registry/", Member: member, Sources: []record.Input{{Name: name, Bytes: 1, Modified: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}},
		Cluster: record.Cluster{Index: 5}, Time: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC),
	}
}

func value(layer record.Layer, name string, version int, index uint64) record.Record {
	rec := stored.Record("secrets/default/"+name, stored.KMSv2("p", "k", version), 1)
	rec.Origin = record.Origin{Layer: layer, Index: index}
	return rec
}

// under are the values that need each version, by scope.
func under(keys []*auditv1.Key) map[uint32]map[string]uint32 {
	all := map[uint32]map[string]uint32{}
	for _, k := range keys {
		all[k.VaultKeyVersion] = map[string]uint32{}
		for _, u := range k.Uses {
			all[k.VaultKeyVersion][strings.TrimSuffix(u.Scope, ":/registry/")] = u.Needed
		}
	}
	return all
}

func TestOnlyTheLastReadingOfASourceIsCounted(t *testing.T) {
	file := []record.Scope{scopeOf(record.Live, "a", "")}
	sources := []record.Source{
		reads(errors.New("the disk is damaged"), []record.Scope{scopeOf(record.Live, "bad", "")}, []record.Record{value(record.Live, "x", 9, 0)}),
		reads(nil, file, []record.Record{value(record.Live, "a", 1, 0), value(record.Live, "b", 1, 0)}, []record.Record{value(record.Live, "a", 2, 0)}),
		reads(nil, []record.Scope{scopeOf(record.Live, "b", "")}, []record.Record{value(record.Live, "c", 1, 0)}),
	}
	r, err := audit.Run(t.Context(), audit.Options{Sources: sources, Groups: rules.Groups{Data: true}})
	if err != nil {
		t.Fatal(err)
	}
	if got := under(r.Keys); len(got) != 2 || len(got[1]) != 1 || got[1]["live:b"] != 1 || len(got[2]) != 1 || got[2]["live:a"] != 1 {
		t.Errorf("%v", got)
	}
	for _, s := range r.Scopes {
		if s.DekSources != 1 {
			t.Errorf("%d DEK sources in %s", s.DekSources, s.Id)
		}
	}
}

// etcd applies at its start what the database does not have yet.
func TestOfALogIsNeededWhatTheDatabaseDoesNotHave(t *testing.T) {
	log := func(member, copied string) record.Source {
		s := scopeOf(record.WAL, member+copied+".wal", member)
		s.Copy = copied
		return reads(nil, []record.Scope{s}, []record.Record{value(record.WAL, "a", 1, 4), value(record.WAL, "b", 1, 5), value(record.WAL, "c", 1, 6), value(record.WAL, "d", 1, 0)})
	}
	r, err := audit.Register(t.Context(), audit.RegisterOptions{Sources: []record.Source{
		reads(nil, []record.Scope{scopeOf(record.Live, "db", "m"), scopeOf(record.History, "db", "m"), scopeOf(record.FreePages, "db", "m")},
			[]record.Record{value(record.Live, "a", 2, 0), value(record.History, "a", 2, 0), value(record.FreePages, "a", 1, 0)}),
		log("m", ""), log("other", ""), log("m", "copy of a write-ahead log"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := under(r.Keys)
	want := map[string]uint32{"free-pages:db": 0, "wal:m.wal": 1, "wal:other.wal": 3, "wal:mcopy of a write-ahead log.wal": 3}
	for scope, n := range want {
		if m, ok := got[1][scope]; !ok || m != n {
			t.Errorf("%s: %d are needed, want %d (%v)", scope, m, n, got)
		}
	}
}

// The index of one copy's database says nothing of the log of another copy of the same member,
// whose database is not there or cannot be read.
func TestOfALogWithoutADatabaseAllIsNeeded(t *testing.T) {
	scoped := func(layer record.Layer, name string) []record.Scope {
		s := scopeOf(layer, name, "m")
		s.Copy = "copy of a database"
		return []record.Scope{s}
	}
	log := func(name string) record.Source {
		return reads(nil, scoped(record.WAL, name), []record.Record{value(record.WAL, "a", 1, 4)})
	}
	r, err := audit.Register(t.Context(), audit.RegisterOptions{Sources: []record.Source{
		reads(nil, scoped(record.Live, "first/db"), []record.Record{value(record.Live, "a", 2, 0)}), log("first/wal"),
		reads(errors.New("the disk is damaged"), scoped(record.Live, "second/db"), nil), log("second/wal"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := under(r.Keys)[1]; got["wal:first/wal"] != 0 || got["wal:second/wal"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestARegisterSaysWhatItsAnswerLacks(t *testing.T) {
	one := []record.Record{value(record.Live, "a", 2, 0)}
	files := func(inUse bool, layers ...record.Layer) []record.Scope {
		var all []record.Scope
		for _, l := range layers {
			s := scopeOf(l, "db", "m")
			s.InUse = inUse
			all = append(all, s)
		}
		return all
	}
	own := func(layers ...record.Layer) []record.Scope { return files(true, layers...) }
	running, copied := scopeOf(record.Live, "https://etcd:2379", ""), scopeOf(record.Live, "snapshot.db", "")
	running.Sources[0].Bytes, running.ClusterID, copied.Copy = 0, "c", "snapshot"
	received := copied
	received.Copy = "received snapshot"
	inexact := running
	inexact.Inexact = "the watch was cut"
	unused, sameCluster := files(false, record.Live, record.History), own(record.Live, record.History)
	old := slices.Clone(unused)
	for i := range sameCluster {
		old[i].ClusterID, sameCluster[i].ClusterID = "c", "c"
	}
	log := files(true, record.WAL)
	declared := &keyusage.Backups{By: "Jane Doe"}
	for name, tt := range map[string]struct {
		sources [][]record.Scope
		backups *keyusage.Backups
		below   int
		status  auditv1.Status
		says    string
	}{
		"nothing":                 {[][]record.Scope{own(record.Live, record.History)}, declared, 2, auditv1.Status_STATUS_PASS, ""},
		"an inventory of backups": {[][]record.Scope{own(record.Live, record.History)}, nil, 2, auditv1.Status_STATUS_NOT_EVALUATED, "no inventory of backups"},
		"an inventory, where versions are needed":               {[][]record.Scope{own(record.Live, record.History)}, nil, 3, auditv1.Status_STATUS_FAIL, "1 value needs version 2"},
		"what an inventory without backups does not name":       {[][]record.Scope{own(record.Live, record.History), {copied}}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "there are none, and these were read: snapshot.db"},
		"the same, beside what is needed":                       {[][]record.Scope{own(record.Live, record.History), {copied}}, declared, 3, auditv1.Status_STATUS_FAIL, "there are none, and these were read: snapshot.db"},
		"nothing, where a member has received a snapshot":       {[][]record.Scope{own(record.Live, record.History), {received}}, declared, 2, auditv1.Status_STATUS_PASS, ""},
		"nothing, where the inventory has paths":                {[][]record.Scope{own(record.Live, record.History), {copied}}, &keyusage.Backups{Paths: []string{"snapshot.db"}}, 2, auditv1.Status_STATUS_PASS, ""},
		"history":                                               {[][]record.Scope{{running}}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "history of c"},
		"nothing beside the files of a member":                  {[][]record.Scope{{running}, sameCluster}, declared, 2, auditv1.Status_STATUS_PASS, ""},
		"the cluster":                                           {[][]record.Scope{{copied}}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "the cluster itself"},
		"the cluster, where a stopped member or a copy is read": {[][]record.Scope{unused}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "the cluster itself"},
		"the cluster, where nothing but a log is in use":        {[][]record.Scope{unused, log}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "the cluster itself"},
		"history, beside an old copy":                           {[][]record.Scope{{running}, old}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "history of c"},
		"what a file in use still has":                          {[][]record.Scope{own(record.Undetermined)}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "--work-dir"},
		"one revision":                                          {[][]record.Scope{{inexact}, sameCluster}, declared, 2, auditv1.Status_STATUS_NOT_EVALUATED, "not exact: the watch was cut"},
	} {
		var sources []record.Source
		for _, scopes := range tt.sources {
			records := one
			if scopes[0].Layer == record.Undetermined {
				records = []record.Record{value(record.Undetermined, "a", 2, 0)}
			}
			sources = append(sources, reads(nil, scopes, records))
		}
		r, err := audit.Register(t.Context(), audit.RegisterOptions{Sources: sources, Backups: tt.backups, Below: tt.below})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, u := range r.Unread {
			said = append(said, u.Name+": "+u.Reason)
		}
		if text := strings.Join(append(said, r.Reasons...), "; "); r.Status != tt.status || !strings.Contains(text, tt.says) {
			t.Errorf("%s is missing: %v, %s", name, r.Status, text)
		}
	}
}

// A provider that is not known can have the data keys under any key.
func TestValuesOfAnUnknownProviderLeaveTheQuestionOpen(t *testing.T) {
	for of, want := range map[record.Layer]auditv1.Status{
		record.Live: auditv1.Status_STATUS_NOT_EVALUATED, record.History: auditv1.Status_STATUS_NOT_EVALUATED, record.FreePages: auditv1.Status_STATUS_PASS,
	} {
		unknown := stored.Record("secrets/default/a", stored.Unknown, 1)
		unknown.Origin.Layer = of
		scopes := []record.Scope{scopeOf(record.Live, "db", "m"), scopeOf(record.History, "db", "m"), scopeOf(record.FreePages, "db", "m")}
		for i := range scopes {
			scopes[i].InUse = true
		}
		r, err := audit.Register(t.Context(), audit.RegisterOptions{
			Sources: []record.Source{reads(nil, scopes, []record.Record{value(record.Live, "b", 2, 0), unknown})}, Backups: &keyusage.Backups{By: "Jane Doe"}, Below: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(r.Reasons, "; "); r.Status != want || (want == auditv1.Status_STATUS_PASS) == strings.Contains(said, "provider that is not known") {
			t.Errorf("%s: %v, %s", of, r.Status, said)
		}
	}
}

// What Vault did not tell is not known, and no other key's.
func TestOfAKeyThatVaultDoesNotShowNothingIsClaimed(t *testing.T) {
	running := scopeOf(record.Live, "db", "m")
	running.InUse = true
	for name, tt := range map[string]struct {
		keys       []keyusage.TransitKey
		reason     string
		shown, not []string // in the table
	}{
		"unread":        {[]keyusage.TransitKey{{Path: "transit/k"}}, "is not known, since that could not be read in Vault", []string{"could not be read: its versions are not known", "nothing shows of which key"}, []string{"up to 0", "was asked for", "any more"}},
		"another's":     {[]keyusage.TransitKey{{Path: "transit/k", Latest: 2}, {Path: "transit/other"}}, "of transit/other is not known", []string{"nothing shows of which key"}, []string{"was asked for"}},
		"a higher one":  {[]keyusage.TransitKey{{Path: "transit/k", Latest: 3, MinDecryption: 3}}, "lists nothing of transit/k below 3 now", []string{"nothing shows of which key", "--register"}, []string{"was asked for", "--vault-other-key"}},
		"all of it":     {[]keyusage.TransitKey{{Path: "transit/k", Latest: 3, MinDecryption: 2}}, "--vault-other-key", []string{"of no key that Vault was asked for"}, []string{"nothing shows of which key"}},
		"some, earlier": {[]keyusage.TransitKey{{Path: "transit/k", Versions: []keyusage.Version{{Number: 1, KeyID: "v1.x", Created: time.Unix(1, 0)}}}}, "is not known", []string{"known from an earlier register"}, []string{"any more"}},
	} {
		r, err := audit.Register(t.Context(), audit.RegisterOptions{
			Sources: []record.Source{reads(nil, []record.Scope{running}, []record.Record{value(record.Live, "a", 2, 0)})}, Below: 3, TransitKeys: tt.keys, Backups: &keyusage.Backups{},
		})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := report.RegisterTable(&out, r, false); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		if reasons := strings.Join(r.Reasons, "; "); !strings.Contains(reasons, tt.reason) || r.Status != auditv1.Status_STATUS_NOT_EVALUATED {
			t.Errorf("%s: %v, %s", name, r.Status, reasons)
		}
		if slices.ContainsFunc(tt.shown, func(s string) bool { return !strings.Contains(text, s) }) || slices.ContainsFunc(tt.not, func(s string) bool { return strings.Contains(text, s) }) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestARegisterOfNothingIsNone(t *testing.T) {
	for _, sources := range [][]record.Source{nil, {reads(errors.New("the disk is damaged"), []record.Scope{scopeOf(record.Live, "bad", "")}, nil)}} {
		if r, err := audit.Register(t.Context(), audit.RegisterOptions{Sources: sources}); err == nil {
			t.Errorf("%v", r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.Register(ctx, audit.RegisterOptions{Sources: []record.Source{reads(nil, []record.Scope{scopeOf(record.Live, "a", "")}, nil)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
