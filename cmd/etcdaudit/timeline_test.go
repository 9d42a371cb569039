package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// calendar writes to a real etcd what an API server would have written on some days, up to today.
type calendar struct {
	t     *testing.T
	e     *cluster.Etcd
	today time.Time
	ticks int // days that are over
}

const lastDay = 30

func (c *calendar) day(n int) time.Time { return c.today.AddDate(0, 0, n-lastDay) }

// write stores an object as of a day; no value deletes it. Each day before, something was created,
// and the API server has renewed its Lease, as in every cluster all the time.
func (c *calendar) write(day int, key, value string) {
	c.t.Helper()
	for ; c.ticks < day; c.ticks++ {
		now := c.day(c.ticks)
		other := &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("day-", c.ticks), CreationTimestamp: metav1.Time{Time: now}},
		}
		lease := &coordinationv1.Lease{
			TypeMeta: metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}, ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "apiserver-x"},
			Spec: coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: now}},
		}
		commit(c.t, c.e, clientv3.OpPut("/registry/configmaps/shop/"+other.Name, c.encoded(other)))
		commit(c.t, c.e, clientv3.OpPut("/registry/leases/kube-system/apiserver-x", c.encoded(lease)))
	}
	if value == "" {
		commit(c.t, c.e, clientv3.OpDelete(key))
		return
	}
	commit(c.t, c.e, clientv3.OpPut(key, value))
}

func (c *calendar) encoded(o runtime.Object) string {
	var b strings.Builder
	testkit.Check(c.t, protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(o, &b))
	return b.String()
}

// plain is a Secret that was created on a day, and changed on another one.
func (c *calendar) plain(name string, created, changed int) string {
	return c.encoded(&corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, CreationTimestamp: metav1.Time{Time: c.day(created)},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m", Operation: "Update", APIVersion: "v1", Time: &metav1.Time{Time: c.day(changed)}, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{}`)}},
		},
		Data: map[string][]byte{"p": []byte(stored.Canary + fmt.Sprint(changed))},
	})
}

// days are when a Secret was really readable; until is 0 where it still is.
type days struct{ from, until int }

// expect compares timelines with the truth, and says of which layers each is found.
func (c *calendar) expect(r *auditv1.Report, truth map[string][]days, found map[string]string) {
	c.t.Helper()
	layers := map[string]string{}
	for _, s := range r.Scopes {
		layers[s.Id] = s.Copy + ":" + s.Layer
	}
	if len(r.Timelines) != len(truth) || len(r.TimelineBasis) != 1 || r.TimelineBasis[0].Objects != uint32(len(truth)) {
		c.t.Errorf("%d timelines on %v, want %d", len(r.Timelines), r.TimelineBasis, len(truth))
	}
	for _, line := range r.Timelines {
		want := truth[line.Name]
		var in []string
		for _, id := range line.RecoverableIn {
			// A page that is split leaves a copy behind, or not, as bbolt has it.
			if !strings.HasSuffix(layers[id], ":free-pages") {
				in = append(in, layers[id])
			}
		}
		if got := strings.Join(in, " "); got != found[line.Name] {
			c.t.Errorf("%s is found in %q, want %q", line.Name, got, found[line.Name])
		}
		if len(line.Readable) != len(want) || line.Resource != "secrets" || line.Namespace != "shop" {
			c.t.Errorf("%s: %v, want %v", line.Name, line, want)
			continue
		}
		for i, in := range line.Readable {
			if !holds(in.From, c.day(want[i].from)) || (in.Until == nil) != (want[i].until == 0) || in.Until != nil && !holds(in.Until, c.day(want[i].until)) {
				c.t.Errorf("%s was readable on %v, not in %v", line.Name, want[i], in)
			}
		}
	}
}

// holds reports whether bounds hold a time, and end soon after it: else they say little.
func holds(b *auditv1.Bounds, at time.Time) bool {
	const most = 3 * 24 * time.Hour
	low, high := b.GetNotBefore(), b.GetNotAfter()
	return low != nil && high != nil && !at.Before(low.AsTime()) && !at.After(high.AsTime()) && high.AsTime().Sub(at) < most
}

func TestTheTimelineOfADataDirectoryHoldsTheTruth(t *testing.T) {
	c := &calendar{t: t, e: startEtcd(t), today: time.Now().Truncate(time.Second)}
	dir := t.TempDir()
	key := func(name string) string { return "/registry/secrets/shop/" + name }
	encrypted := func(n int) string { return stored.KMSv2("p", "k", n) }
	commit(t, c.e, clientv3.OpPut("/registry/namespaces/kube-system", stored.Plaintext))
	c.write(2, key("kept"), c.plain("kept", 2, 2))
	c.write(3, key("rewritten"), c.plain("rewritten", 3, 3))
	c.write(4, key("gone"), c.plain("gone", 4, 4))
	c.write(5, key("never"), encrypted(1))
	c.write(6, key("rewritten"), c.plain("rewritten", 3, 6))
	c.write(9, key("rewritten"), encrypted(2))
	c.write(10, key("gone"), "")
	c.write(12, key("gone"), encrypted(3))
	c.write(15, key("again"), c.plain("again", 15, 15))
	c.write(16, key("again"), encrypted(4))
	c.write(20, key("again"), c.plain("again", 15, 20))
	c.write(21, key("again"), encrypted(5))
	c.write(lastDay, key("never"), encrypted(6))
	truth := map[string][]days{"kept": {{from: 2}}, "rewritten": {{3, 9}}, "gone": {{4, 10}}, "again": {{15, 16}, {20, 21}}}

	stop := func() string {
		data := filepath.Join(dir, fmt.Sprint("data", len(testkit.Must(os.ReadDir(dir))(t))))
		testkit.Check(t, c.e.Stop(t.Context()))
		testkit.Check(t, os.CopyFS(data, os.DirFS(c.e.Member(0).DataDir)))
		testkit.Check(t, c.e.Restart(t.Context()))
		return data
	}
	scan := func(paths ...string) *auditv1.Report {
		return jsonReport(t, append([]string{"scan", "--timeline", "--work-dir", t.TempDir()}, paths...)...)
	}
	r := scan(stop())
	c.expect(r, truth, map[string]string{"kept": ":live :wal", "rewritten": ":history :wal", "gone": ":history :wal", "again": ":history :wal"})
	if b := r.TimelineBasis[0]; b.DisagreementSeconds != 0 || b.AllowanceSeconds != 10 {
		t.Errorf("%v", b)
	}
	for _, what := range []string{"json", "table", "html"} {
		_, out, _ := run(t, "scan", "--timeline", "--output", what, c.dataOf(dir))
		if strings.Contains(out, stored.Canary) {
			t.Errorf("%s shows a value", what)
		}
	}

	// What is compacted and rewritten over is in the log alone, where nothing has a revision.
	snapshot := filepath.Join(dir, "snapshot.db")
	testkit.Check(t, snapshotTo(t.Context(), c.e, snapshot))
	now := testkit.Must(c.e.Client().Get(t.Context(), "x"))(t).Header.Revision
	testkit.Must(c.e.Client().Compact(t.Context(), now, clientv3.WithCompactPhysical()))(t)
	testkit.Must(c.e.Client().Defragment(t.Context(), c.e.Member(0).Endpoint))(t)
	cleared := stop()
	onlyLog := map[string]string{"kept": ":live :wal", "rewritten": ":wal", "gone": ":wal", "again": ":wal"}
	r = scan(cleared)
	// Encryption that is in no revision any more proves nothing, nor does a put: what was
	// readable twice may have been readable in between.
	within := map[string][]days{"kept": {{from: 2}}, "rewritten": {{3, 9}}, "gone": {{4, 10}}, "again": {{15, 21}}}
	c.expect(r, within, onlyLog)

	// The snapshot has what the data directory has lost.
	both := map[string]string{}
	for name, in := range map[string]string{"kept": ":live :wal snapshot:live", "rewritten": ":wal snapshot:history", "gone": ":wal snapshot:history", "again": ":wal snapshot:history"} {
		both[name] = in
	}
	c.expect(scan(cleared, snapshot), truth, both)
}

// dataOf is the first copy of the data.
func (c *calendar) dataOf(dir string) string { return filepath.Join(dir, "data0") }

func TestATimelineOfALiveEtcd(t *testing.T) {
	c := &calendar{t: t, e: startEtcd(t), today: time.Now().Truncate(time.Second)}
	use(t, c.e)
	c.write(5, "/registry/secrets/shop/a", c.plain("a", 5, 5))
	c.write(7, "/registry/secrets/shop/b", stored.KMSv2("p", "k", 1))
	r := jsonReport(t, "scan", "--timeline")
	c.expect(r, map[string][]days{"a": {{from: 5}}}, map[string]string{"a": ":live"})
	if slices.Contains(r.Timelines[0].RecoverableIn, "") {
		t.Error("a scope without a name")
	}
}

// Reading this file takes seconds, and writes to a work file as well.
func TestAnInterruptedScanOfFilesEndsWithOneLineAndLeavesNothing(t *testing.T) {
	dir, work := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "x.db")
	db := testkit.Must(bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true}))(t)
	testkit.Check(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("key")); return err }))
	testkit.Check(t, db.Close())
	testkit.Check(t, os.Truncate(path, 64<<30))
	bin := testkit.Must(components.Build(t.Context(), t.Output(), components.ETCDAudit))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin.Path(components.ETCDAudit), "scan", "--prefix", "/registry", "--timeline", "--work-dir", work, path)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	testkit.Check(t, cmd.Start())
	for !opened(cmd.Process.Pid, path) {
		if ctx.Err() != nil { // which has killed it
			t.Fatalf("it has not opened the file: %v, %q", cmd.Wait(), errs.String())
		}
		time.Sleep(time.Millisecond)
	}
	testkit.Check(t, cmd.Process.Signal(syscall.SIGINT))
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.ExitCode() != 2 || out.Len() != 0 || !strings.Contains(errs.String(), ": interrupt") || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("%v, stdout %q, stderr %q", exit, out.String(), errs.String())
	}
	if left := testkit.Must(os.ReadDir(work))(t); len(left) > 0 {
		t.Errorf("%v was left", left)
	}
}

// opened reports whether a process has a file open.
func opened(pid int, path string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, _ := os.ReadDir(dir)
	for _, fd := range all {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && to == path {
			return true
		}
	}
	return false
}
