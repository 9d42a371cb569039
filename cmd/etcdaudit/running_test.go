package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// layersOf are the layers of the scopes whose text has a word in it.
func layersOf(r *auditv1.Report, word string) (layers []string) {
	for _, s := range r.Scopes {
		if strings.Contains(s.Text, word) {
			layers = append(layers, s.Layer)
		}
	}
	return layers
}

// resultIn is the result of a check in the first scope of a layer.
func resultIn(t *testing.T, r *auditv1.Report, id, layer string) *auditv1.Result {
	t.Helper()
	for _, result := range checkOf(t, r, id).Results {
		if strings.HasPrefix(result.Target, layer+":") {
			return result
		}
	}
	t.Fatalf("%s has no result of layer %s: %v", id, layer, checkOf(t, r, id))
	return nil
}

// inWords is how a scan says that it has read the file of a member that runs: the file system of
// these tests decides on it.
func inWords(t *testing.T, e *cluster.Etcd) string {
	t.Helper()
	from := testkit.Must(os.Open(filepath.Join(e.Member(0).DataDir, "member/snap/db")))(t)
	defer func() { _ = from.Close() }()
	to := testkit.Must(os.Create(filepath.Join(t.TempDir(), "x")))(t)
	defer func() { _ = to.Close() }()
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return "as a reflink of the file has it"
	}
	return "as " + e.Endpoints()[0] + " sent it"
}

func TestARunningMembersDatabaseIsReadAsOfOneMoment(t *testing.T) {
	e, _ := leftBehind(t)
	use(t, e)
	data, work := e.Member(0).DataDir, t.TempDir()
	behindTheLastPage(t, filepath.Join(data, "member/snap/db"), plain("tail"))
	r := jsonReport(t, "scan", data, "--work-dir", work)
	if layers := layersOf(r, inWords(t, e)); !slices.Equal(layers, []string{"live", "history", "free-pages"}) {
		t.Errorf("layers as of one moment: %q", layers)
	}
	if c := resultIn(t, r, "EA-101", "live"); c.Status != auditv1.Status_STATUS_PASS {
		t.Errorf("live values: %v", c)
	}
	if names := objectsIn(t, r, "EA-121", "history"); !slices.Equal(names, []string{"late"}) {
		t.Errorf("in history: %q", names)
	}
	if names := objectsIn(t, r, "EA-121", "free-pages"); len(names) < 2 || !slices.Contains(names, "tail") {
		t.Errorf("in free pages: %q", names)
	}
	if c := resultIn(t, r, "EA-124", "live"); c.Status != auditv1.Status_STATUS_PASS {
		t.Errorf("the file: %v", c)
	}
	// The offsets are those of the member's own file, at which nothing was written since.
	db := testkit.Must(os.ReadFile(filepath.Join(data, "member/snap/db")))(t)
	for _, result := range checkOf(t, r, "EA-121").Results {
		for _, o := range result.Objects {
			if o.Origin.Layer != "wal" && !strings.HasPrefix(string(db[o.Origin.Offset:]), plain(o.Name)) {
				t.Errorf("%s is not at byte %d of %s", o.Name, o.Origin.Offset, o.Origin.File)
			}
		}
	}
	if left := testkit.Must(os.ReadDir(work))(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// behindTheLastPage writes behind what etcd uses of its database.
func behindTheLastPage(t *testing.T, db, text string) {
	t.Helper()
	f := testkit.Must(os.OpenFile(db, os.O_WRONLY, 0))(t)
	info := testkit.Must(f.Stat())(t)
	testkit.Must(f.WriteAt([]byte(text), info.Size()+1<<12))(t)
	testkit.Check(t, f.Close())
}

func TestASnapshotThatCannotBeHadLeavesTheLayerUndetermined(t *testing.T) {
	e, _ := leftBehind(t)
	t.Run("no place", func(t *testing.T) { undetermined(t, e, e, "with --work-dir it is asked for a snapshot") })
	t.Run("another member", func(t *testing.T) {
		undetermined(t, e, startEtcd(t), "is that member of cluster", "--work-dir", inMemory(t))
	})
	t.Run("RBAC", func(t *testing.T) {
		ctx := t.Context()
		testkit.Must(e.Client().UserAdd(ctx, "root", "r"))(t)
		testkit.Must(e.Client().UserGrantRole(ctx, "root", "root"))(t)
		testkit.Must(e.Client().UserAdd(ctx, "client", "c"))(t) // the name in the certificate
		testkit.Must(e.Client().AuthEnable(ctx))(t)
		undetermined(t, e, e, "ETCDCTL_USER=root", "--work-dir", inMemory(t))
	})
}

// inMemory is a directory on another file system than the database: a reflink cannot be there, so
// that the member is asked.
func inMemory(t *testing.T) string {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp("/dev/shm", "sealproof-"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// undetermined scans the files of an etcd that runs, and asks another one for a snapshot of it.
func undetermined(t *testing.T, e, asked *cluster.Etcd, says string, args ...string) {
	t.Helper()
	use(t, asked)
	_, out, errs := run(t, append([]string{"scan", e.Member(0).DataDir}, args...)...)
	if !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 {
		t.Errorf("stderr does not say %q in one line: %s", says, errs)
	}
	if !strings.Contains(oneLine(out), "bytes of no determined layer") || strings.Contains(oneLine(out), "sent it") || strings.Contains(oneLine(out), "reflink") {
		t.Errorf("a layer is determined:\n%s", out)
	}
}

// Whatever it holds, what is written to the log after it was read is not known.
func TestTheLogOfARunningMemberIsNeverClean(t *testing.T) {
	e := startEtcd(t)
	commit(t, e, clientv3.OpPut("/registry/namespaces/kube-system", stored.Plaintext), clientv3.OpPut("/registry/secrets/shop/a", stored.KMSv2("p", "k", 1)))
	log := filepath.Join(e.Member(0).DataDir, "member/wal")
	if c := resultIn(t, jsonReport(t, "scan", log), "EA-121", "wal"); c.Status != auditv1.Status_STATUS_NOT_EVALUATED || !strings.Contains(c.Reason+c.Summary, "a process writes to it") {
		t.Errorf("while etcd runs: %v", c)
	}
	testkit.Check(t, e.Stop(t.Context()))
	if c := resultIn(t, jsonReport(t, "scan", log), "EA-121", "wal"); c.Status != auditv1.Status_STATUS_PASS {
		t.Errorf("after it has ended: %v", c)
	}
}

// A log alone has no bucket of keys: what its entries write tells the prefix.
func TestThePrefixOfALogAloneIsFound(t *testing.T) {
	e := startEtcd(t)
	commit(t, e, clientv3.OpPut("/own/prefix/leases/kube-system/kube-scheduler", stored.Plaintext), clientv3.OpPut("/own/prefix/secrets/shop/a", plain("a")))
	testkit.Check(t, e.Stop(t.Context()))
	status, out, errs := run(t, "scan", filepath.Join(e.Member(0).DataDir, "member/wal"))
	if status != 1 || !strings.Contains(oneLine(out), "keys under /own/prefix/") || !strings.Contains(errs, "keys under /own/prefix") {
		t.Errorf("status %d, %s\n%s", status, errs, out)
	}
}
