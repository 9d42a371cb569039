package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// plain is a Secret in JSON with a canary in it. It nearly fills a page: of several in free pages
// most stay there while the test writes on.
func plain(name string) string {
	return fmt.Sprintf(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":%q,"namespace":"shop"},"data":{"p":%q,"q":%q}}`,
		name, base64.StdEncoding.EncodeToString([]byte(stored.Canary)), strings.Repeat("A", 3000))
}

// commit writes as an API server does, in a transaction.
func commit(t *testing.T, e *cluster.Etcd, ops ...clientv3.Op) {
	t.Helper()
	testkit.Must(e.Client().Txn(t.Context()).Then(ops...).Commit())(t)
}

// leftBehind is an etcd in which every Secret was rewritten or deleted, and what it had been is
// compacted; a snapshot of it is in the directory as snapshot.db.
func leftBehind(t *testing.T) (e *cluster.Etcd, dir string) {
	t.Helper()
	e, dir = startEtcd(t), t.TempDir()
	commit(t, e, clientv3.OpPut("/registry/namespaces/kube-system", stored.Plaintext))
	for i := range 20 {
		name := fmt.Sprintf("s%02d", i)
		commit(t, e, clientv3.OpPut("/registry/secrets/shop/"+name, plain(name)), clientv3.OpPut("/registry/configmaps/shop/"+name, stored.Plaintext))
	}
	// Else one transaction of the database may hold it all, and nothing of it be freed.
	written := func() { testkit.Must(e.Client().HashKV(t.Context(), e.Endpoints()[0], 0))(t) }
	written()
	for i := range 20 {
		commit(t, e, clientv3.OpPut(fmt.Sprintf("/registry/secrets/shop/s%02d", i), stored.KMSv2("p", "k", 1)))
	}
	commit(t, e, clientv3.OpDelete("/registry/secrets/shop/s00"))
	last := testkit.Must(e.Client().Get(t.Context(), "x"))(t).Header.Revision
	commit(t, e, clientv3.OpPut("/registry/secrets/shop/late", plain("late")))
	commit(t, e, clientv3.OpPut("/registry/secrets/shop/late", stored.KMSv2("p", "k", 1)))
	written()
	testkit.Must(e.Client().Compact(t.Context(), last, clientv3.WithCompactPhysical()))(t)
	testkit.Check(t, snapshotTo(t.Context(), e, filepath.Join(dir, "snapshot.db")))
	return e, dir
}

func snapshotTo(ctx context.Context, e *cluster.Etcd, name string) error {
	from, err := e.Client().Snapshot(ctx)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o600)
}

// objects of a check in the scopes of a layer, by their names.
func objectsIn(t *testing.T, r *auditv1.Report, id, layer string) (names []string) {
	t.Helper()
	for _, result := range checkOf(t, r, id).Results {
		for _, o := range result.Objects {
			if strings.HasPrefix(result.Target, layer+":") {
				names = append(names, o.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestScanOfADataDirectoryFindsWhatWasRewritten(t *testing.T) {
	e, dir := leftBehind(t)
	data := e.Member(0).DataDir

	// While etcd runs, what is found is real, and nothing is called clean.
	r := jsonReport(t, "scan", data)
	if names := objectsIn(t, r, "EA-121", "undetermined"); !slices.Contains(names, "late") {
		t.Errorf("in the file of a running etcd: %q", names)
	}
	if c := checkOf(t, r, "EA-101"); c.Status != auditv1.Status_STATUS_NOT_APPLICABLE {
		t.Errorf("live values of a running etcd's file: %v", c)
	}

	testkit.Check(t, e.Stop(t.Context()))
	status, out, errs := run(t, "scan", data, filepath.Join(dir, "snapshot.db"), "--output", "json")
	if status != 1 || errs != "" {
		t.Errorf("status %d, %s", status, errs)
	}
	r = &auditv1.Report{}
	testkit.Check(t, protojson.Unmarshal([]byte(out), r))
	if c := checkOf(t, r, "EA-101"); c.Status != auditv1.Status_STATUS_PASS {
		t.Errorf("every live Secret is encrypted: %v", c)
	}
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("s%02d", i))
	}
	if names := objectsIn(t, r, "EA-121", "wal"); !slices.Equal(names, append([]string{"late"}, all...)) {
		t.Errorf("in the log: %q", names)
	}
	if names := objectsIn(t, r, "EA-121", "history"); !slices.Equal(names, []string{"late"}) {
		t.Errorf("in history: %q", names)
	}
	if names := objectsIn(t, r, "EA-121", "free-pages"); len(names) == 0 {
		t.Error("nothing in free pages")
	}
	for _, o := range checkOf(t, r, "EA-121").Results {
		for _, o := range o.Objects {
			f := testkit.Must(os.ReadFile(o.Origin.File))(t)
			if !strings.HasPrefix(string(f[o.Origin.Offset:]), plain(o.Name)) {
				t.Errorf("%s is not at byte %d of %s", o.Name, o.Origin.Offset, o.Origin.File)
			}
			if inLog := o.Origin.Layer == "wal"; inLog != (o.Origin.RaftIndex > 0 && o.Origin.RaftTerm > 0) {
				t.Errorf("%v: index and term are those of the log", o.Origin)
			}
		}
	}
	copies := 0
	for _, s := range r.Scopes {
		if s.Copy == "snapshot" && s.Layer == "live" {
			copies++
		}
		if s.Copy == "" && (s.ClusterId == "" || s.Member == "") {
			t.Errorf("%s is of no cluster or member", s.Id)
		}
	}
	if copies != 1 {
		t.Errorf("%d snapshots", copies)
	}
	var titles []string
	for _, step := range r.Runbook {
		titles = append(titles, step.Title)
	}
	if want := []string{"Let etcdctl reach every member", "Compact the history", "Defragment every member, one after the other", "Say how members are stopped and started", "Clear the write-ahead log of every member", "Remove the copies, and take new ones", "Change the credentials", "Show that nothing is left"}; !slices.Equal(titles, want) {
		t.Errorf("runbook: %q", titles)
	}
	if cost := r.Runbook[4].Cost; !strings.Contains(cost, "; there is one segment, ") {
		t.Errorf("the log is not known: %s", cost)
	}
	if c := checkOf(t, r, "EA-124"); c.Status != auditv1.Status_STATUS_PASS {
		t.Errorf("sound files: %v", c)
	}
	_, table, _ := run(t, "scan", data)
	for what, text := range map[string]string{"JSON": out, "table": table} {
		if encoded := base64.StdEncoding.EncodeToString([]byte(stored.Canary)); strings.Contains(text, stored.Canary) || strings.Contains(text, encoded) {
			t.Errorf("the %s shows a value", what)
		}
	}
}

func TestScanOfAMemberThatIsClearedIsClean(t *testing.T) {
	e := startEtcd(t)
	commit(t, e, clientv3.OpPut("/registry/namespaces/kube-system", stored.Plaintext))
	commit(t, e, clientv3.OpPut("/registry/secrets/shop/a", stored.KMSv2("p", "k", 1)))
	testkit.Check(t, e.Stop(t.Context()))
	status, out, errs := run(t, "scan", e.Member(0).DataDir)
	if status != 0 || errs != "" || strings.Contains(out, "Runbook") {
		t.Errorf("status %d, %s\n%s", status, errs, out)
	}
}

func TestTheFilesOfTwoMembersInOneDirectoryAreRefused(t *testing.T) {
	e, other := startEtcd(t), startEtcd(t)
	testkit.Check(t, e.Stop(t.Context()))
	testkit.Check(t, other.Stop(t.Context()))
	const first = "member/wal/0000000000000000-0000000000000000.wal"
	segment := testkit.Must(os.ReadFile(filepath.Join(other.Member(0).DataDir, first)))(t)
	testkit.Check(t, os.WriteFile(filepath.Join(e.Member(0).DataDir, strings.Replace(first, "0.wal", "1.wal", 1)), segment, 0o600))
	status, out, errs := run(t, "scan", e.Member(0).DataDir)
	if status != 3 || out != "" || !strings.Contains(errs, "is of member") || !strings.Contains(errs, "keep the files of one member in one directory") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d, %q, %s", status, out, errs)
	}
}

func TestScanOfFilesRefusesWrongCalls(t *testing.T) {
	for want, args := range map[string][]string{
		"no such file":                 {"scan", "/no/such/file"},
		"is no regular file":           {"scan", "/dev/null"},
		"is no data directory":         {"scan", t.TempDir()},
		"data directory that is named": {"scan", "--wal-dir", "/tmp"},
		"it is of one data direc":      {"scan", "--wal-dir", "/tmp", "/a", "/b"},
	} {
		status, out, errs := run(t, args...)
		if status != 3 || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: status %d, %q, %s", args, status, out, errs)
		}
	}
}
