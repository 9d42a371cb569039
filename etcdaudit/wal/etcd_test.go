package wal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// Real members of each release are written to, so that their logs have more than one
// segment. Every put is found where it is, and all else is as etcd's own reader has it.
func TestTheLogsOfRealMembersAreReadAsEtcdReadsThem(t *testing.T) {
	for _, release := range []components.Name{components.Etcd, components.Etcd36, components.Etcd35} {
		t.Run(string(release), func(t *testing.T) {
			t.Parallel()
			opts := clustertest.Options(t, release, components.ReadLog)
			opts.Etcd = release
			etcd := testkit.Must(clustertest.Start(t, opts).StartEtcd(t.Context(), 1, "--snapshot-count", "20"))(t)
			dir := filepath.Join(etcd.Member(0).DataDir, "member", "wal")
			w := &writer{client: etcd.Client(), written: map[string]int{}}
			testkit.Check(t, w.requests(t.Context()))
			testkit.Check(t, etcd.Restart(t.Context()))
			testkit.Check(t, w.fill(t.Context(), func() bool { return len(segments(t, dir)) >= 2 }))
			testkit.Check(t, w.requests(t.Context()))

			found := map[string]int{}
			for _, path := range segments(t, dir) { // etcd runs
				for _, p := range readFile(t, path).Puts {
					found[string(p.Key)+" "+p.SHA256]++
				}
			}
			for put, n := range w.written {
				if found[put] != n {
					t.Errorf("%s: written %d times, found %d times", put, n, found[put])
				}
			}
			testkit.Check(t, etcd.Stop(t.Context()))
			paths := segments(t, dir)
			compare(t, opts.Binaries[components.ReadLog].Path, paths)
			t.Logf("%d puts in %d segments", len(w.written), len(paths))

			// Files as a crash or a copy leaves them.
			whole := testkit.Must(os.ReadFile(paths[0]))(t)
			var cut []string
			for i, size := range []int{0, 5, 8, 100, 5000, 5001, len(whole) / 2, len(whole) - 1} {
				path := filepath.Join(t.TempDir(), fmt.Sprintf("%016x-%016x.wal", i, i))
				testkit.Check(t, os.WriteFile(path, whole[:size], 0o600))
				cut = append(cut, path)
			}
			compare(t, opts.Binaries[components.ReadLog].Path, cut)
		})
	}
}

// segments are the paths of the segments in dir, in the order of the log.
func segments(t *testing.T, dir string) (paths []string) {
	t.Helper()
	for _, e := range testkit.Must(os.ReadDir(dir))(t) {
		switch name := ParseName(e.Name()); {
		case name.Kind == Segment:
			if name.Sequence != uint64(len(paths)) {
				t.Fatalf("%s follows %d segments", e.Name(), len(paths))
			}
			paths = append(paths, filepath.Join(dir, e.Name()))
		case name.Kind == Other:
			t.Errorf("%s is taken for no file of the log", e.Name())
		}
	}
	return paths
}

// writer writes to etcd in all ways in which a value gets into its log.
type writer struct {
	client  *clientv3.Client
	written map[string]int // "key sha256": how often
	n       int
}

// next makes a key, and a value of the given size.
func (w *writer) next(size int) (key, value string) {
	w.n++
	b := make([]byte, size)
	_, _ = rand.Read(b)
	key, value = fmt.Sprintf("/registry/secrets/ns/%d", w.n), string(b)
	sum := sha256.Sum256(b)
	w.written[key+" "+hex.EncodeToString(sum[:])]++
	return key, value
}

func (w *writer) put(size int, opts ...clientv3.OpOption) clientv3.Op {
	key, value := w.next(size)
	return clientv3.OpPut(key, value, opts...)
}

func (w *writer) requests(ctx context.Context) error {
	lease, err := w.client.Grant(ctx, 600)
	if err != nil {
		return err
	}
	for _, op := range []clientv3.Op{
		w.put(0), w.put(1), w.put(100), w.put(5000), w.put(300 << 10), w.put(1 << 20),
		w.put(50, clientv3.WithLease(lease.ID)),
		clientv3.OpTxn(
			[]clientv3.Cmp{
				clientv3.Compare(clientv3.ModRevision("/a"), "=", 0), clientv3.Compare(clientv3.Value("/b"), "=", "value"),
				clientv3.Compare(clientv3.CreateRevision("/c"), ">", 5).WithPrefix(), clientv3.Compare(clientv3.LeaseValue("/d"), "<", 9),
			},
			[]clientv3.Op{w.put(200), clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Version("/a"), "=", 0)}, []clientv3.Op{w.put(30)}, []clientv3.Op{w.put(31)})},
			[]clientv3.Op{clientv3.OpGet("/a"), clientv3.OpTxn(nil, []clientv3.Op{w.put(60), clientv3.OpDelete("/x")}, nil), w.put(400)},
		),
		clientv3.OpDelete("/registry/secrets/ns/2"),
		clientv3.OpDelete("/registry/secrets/ns/3", clientv3.WithPrefix(), clientv3.WithPrevKV()),
	} {
		if _, err := w.client.Do(ctx, op); err != nil {
			return err
		}
	}
	now, err := w.client.Get(ctx, "/a")
	if err != nil {
		return err
	}
	if _, err := w.client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return err
	}
	_, err = w.client.Revoke(ctx, lease.ID)
	return err
}

// fill puts values of 1 MiB until it is enough.
func (w *writer) fill(ctx context.Context, enough func() bool) error {
	for !enough() {
		group, ctx := errgroup.WithContext(ctx)
		for range 8 {
			op := w.put(1 << 20)
			group.Go(func() error {
				_, err := w.client.Do(ctx, op)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// content is what test/etcdserver/readlog prints of a file.
type content struct {
	Error                 string
	End                   int64
	Cluster, Member       uint64
	Entries               int64
	FirstIndex, LastIndex uint64
	Commit                uint64
	Snapshots             int64
	LastSnapshot          uint64
	Undecodable           int64
	Puts                  []writtenPut
}

type writtenPut struct {
	Key         []byte
	SHA256      string
	Index, Term uint64
	Lease       int64
	Failure     bool
}

// readFile reads a file that is as etcd wrote it, as far as it goes.
func readFile(t *testing.T, path string) content {
	t.Helper()
	f := testkit.Must(os.Open(path))(t)
	defer f.Close()
	var c content
	size := testkit.Must(f.Stat())(t).Size()
	var inFile []byte
	sum, err := Read(t.Context(), f, size, func(p Put) error {
		sum := sha256.Sum256(p.Value)
		c.Puts = append(c.Puts, writtenPut{bytes.Clone(p.Key), hex.EncodeToString(sum[:]), p.Index, p.Term, p.Lease, p.Failure})
		inFile = append(inFile[:0], p.Value...)
		if _, err := f.ReadAt(inFile, p.Offset); err != nil || !bytes.Equal(inFile, p.Value) {
			t.Errorf("%s: the value of %s is not at offset %d (%v)", path, p.Key, p.Offset, err)
		}
		if !p.Verified {
			t.Errorf("%s: %s at index %d is not verified", path, p.Key, p.Index)
		}
		return nil
	})
	testkit.Check(t, err)
	if len(sum.Damage)+len(sum.Unread) > 0 {
		t.Errorf("%s: damaged: %v %v", path, sum.Damage, sum.Unread)
	}
	switch sum.Ending {
	case EndOfFile, ZeroLength:
		c.Error = "EOF"
	default:
		c.Error = "unexpected EOF"
	}
	c.End, c.Cluster, c.Member, c.Entries, c.Undecodable = sum.End, sum.ClusterID, sum.MemberID, sum.Entries, sum.V2
	c.FirstIndex, c.LastIndex, c.Commit, c.Snapshots, c.LastSnapshot = sum.FirstIndex, sum.LastIndex, sum.Commit, sum.Snapshots, sum.LastSnapshot
	return c
}

// compare reads files here and by etcd's own reader.
func compare(t *testing.T, program string, paths []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, paths...).Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	lines := slices.Collect(strings.Lines(string(out)))
	if len(lines) != len(paths) {
		t.Fatalf("%d answers about %d files", len(lines), len(paths))
	}
	for i, path := range paths {
		var want content
		testkit.Check(t, json.Unmarshal([]byte(lines[i]), &want))
		if strings.Contains(want.Error, "unexpected EOF") {
			want.Error = "unexpected EOF" // without its details
		}
		got := readFile(t, path)
		if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
			at := 0
			for at < min(len(g), len(w)) && g[at] == w[at] {
				at++
			}
			t.Errorf("%s: read %.200s, etcd reads %.200s", path, g[max(0, at-50):], w[max(0, at-50):])
		}
		t.Logf("%s: %d entries, %d puts, %d bytes, %d snapshots; %s", filepath.Base(path), got.Entries, len(got.Puts), got.End, got.Snapshots, cmp.Or(got.Error, "whole"))
	}
}
