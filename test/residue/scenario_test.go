package residue_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/residue/truth"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// parallel is how many requests are made at once.
const parallel = 8

// sizes are those of the data of Secrets, in bytes, and how many there are of each in each
// encoding.
var sizes = []struct {
	name        string
	size, count int
}{{"100b", 100, 40}, {"1k", 1 << 10, 34}, {"5k", 5 << 10, 18}, {"300k", 300 << 10, 8}}

// scenario is one etcd with what was written to it.
type scenario struct {
	t      *testing.T
	ctx    context.Context
	c      *cluster.Cluster
	etcd   *cluster.Etcd
	ledger *truth.Ledger
	// auditor is the program, and dir where the copies are.
	auditor, dir string
	steps        []step
	// compacted is how many canaries are in free pages before any is taken into use.
	compacted int
}

// step is a copy of the data directory of the stopped member, and a snapshot taken just before.
type step struct {
	name  string
	paths []string
}

func newScenario(t *testing.T) *scenario {
	s := &scenario{t: t, ctx: t.Context(), ledger: truth.NewLedger(), dir: t.TempDir()}
	opts := clustertest.Options(t, components.Etcd, components.APIServer, components.ETCDAudit)
	s.auditor = opts.Binaries.Path(components.ETCDAudit)
	s.c = clustertest.Start(t, opts)
	s.etcd = testkit.Must(s.c.StartEtcd(s.ctx, 1))(t)
	return s
}

// play writes plaintext in every encoding, and then does what operators do to be rid of it.
func (s *scenario) play() {
	s.plantByAPIServers("protobuf", "json")
	s.fill()
	s.plantByAPIServers("yaml")
	s.plantCBOR()
	s.plantNegatives()
	s.keep("planted")

	s.removeDirectly()
	a := s.apiServer("encrypting", stored.Head+stored.Entry("secrets", stored.Keys("aescbc", "key1"), stored.Identity))
	testkit.Must(a.RewriteAll(s.ctx, nil))(s.t)
	s.keep("rewritten")

	now := testkit.Must(s.etcd.Client().Get(s.ctx, "/"))(s.t).Header.Revision
	testkit.Must(s.etcd.Client().Compact(s.ctx, now, clientv3.WithCompactPhysical()))(s.t)
	s.keep("compacted")

	testkit.Check(s.t, a.WaitReady(s.ctx))
	s.writeMore(a)
	s.keep("reused")

	testkit.Must(s.etcd.Client().Defragment(s.ctx, s.etcd.Member(0).Endpoint))(s.t)
	s.keep("defragmented")
}

// fill writes to the log only, until etcd has begun its next segment of 64 MB: transactions whose
// comparison fails are in it whole, and change nothing.
func (s *scenario) fill() {
	never := clientv3.Compare(clientv3.Version("/registry/no/such"), "=", 1)
	for range 66 {
		put := clientv3.OpPut("/registry/example.com/others/residue-negative/filler", string(filled(1<<20)))
		testkit.Must(s.etcd.Client().Txn(s.ctx).If(never).Then(put).Commit())(s.t)
	}
}

// forget adds a step: a segment of another one that ends in its middle, as etcd sees it. What is
// behind is what an earlier, longer log would have left there.
func (s *scenario) forget(name string) {
	segments := testkit.Must(filepath.Glob(filepath.Join(s.dir, name, "member/wal/*.wal")))(s.t)
	data := testkit.Must(os.ReadFile(segments[len(segments)-1]))(s.t)
	var frames []int
	for at := 0; at+8 <= len(data); {
		head := binary.LittleEndian.Uint64(data[at:])
		size := int(head & (1<<56 - 1))
		if size == 0 {
			break
		}
		frames = append(frames, at)
		if at += 8 + size; head>>63 != 0 {
			at += int(head >> 56 & 7)
		}
	}
	clear(data[frames[len(frames)/2]:][:8])
	to := filepath.Join(s.dir, "forgotten.wal")
	testkit.Check(s.t, os.WriteFile(to, data, 0o600))
	s.steps = append(s.steps, step{"forgotten", []string{to}})
}

// goBack adds a step: a database whose newer meta page is damaged, so that the older one counts.
// All that the last transaction has written lies where that has no pages: values of an earlier
// step in a file that holds them nowhere else.
func (s *scenario) goBack(clean, earlier string) {
	to := filepath.Join(s.dir, "back.db")
	testkit.Check(s.t, os.WriteFile(to, testkit.Must(os.ReadFile(filepath.Join(s.dir, clean, "member/snap/db")))(s.t), 0o600))
	from := testkit.Must(bolt.Open(filepath.Join(s.dir, earlier, "member/snap/db"), 0, &bolt.Options{ReadOnly: true}))(s.t)
	db := testkit.Must(bolt.Open(to, 0o600, &bolt.Options{NoFreelistSync: true}))(s.t)
	testkit.Check(s.t, db.Update(func(tx *bolt.Tx) error {
		keys := tx.Bucket([]byte("key"))
		return from.View(func(old *bolt.Tx) error {
			return old.Bucket([]byte("key")).ForEach(func(k, v []byte) error {
				if keys.Get(k) != nil {
					return nil
				}
				return keys.Put(k, v)
			})
		})
	}))
	testkit.Check(s.t, db.Close())
	testkit.Check(s.t, from.Close())
	data := testkit.Must(os.ReadFile(to))(s.t)
	const pageSize, header, txid, checksum = 4096, 16, 48, 56
	page := 0
	if binary.LittleEndian.Uint64(data[pageSize+header+txid:]) > binary.LittleEndian.Uint64(data[header+txid:]) {
		page = 1
	}
	data[page*pageSize+header+checksum] ^= 1
	testkit.Check(s.t, os.WriteFile(to, data, 0o600))
	s.steps = append(s.steps, step{"back", []string{to}})
}

// overwrite adds a step: the database of another one, in which years of use have overwritten one
// of n pages that are not in use. The scenario itself reuses few places: here many values have
// lost their beginning, and others lie whole behind what has. Each page is overwritten as bbolt
// does it, by a page that names itself.
func (s *scenario) overwrite(name string, n int) {
	from := filepath.Join(s.dir, name, "member/snap/db")
	file := testkit.Must(s.ledger.Files(from))(s.t)[0]
	data := testkit.Must(os.ReadFile(from))(s.t)
	const pageSize, leaf = 4096, 2
	chance := mathrand.New(mathrand.NewPCG(1, 2)) // the same pages in each run
	for at := 0; at < len(data); at += pageSize {
		if page := data[at : at+pageSize]; file.Unused(int64(at), int64(at+pageSize)) && chance.IntN(n) == 0 {
			clear(page)
			binary.LittleEndian.PutUint64(page, uint64(at/pageSize))
			binary.LittleEndian.PutUint16(page[8:], leaf)
		}
	}
	to := filepath.Join(s.dir, "overwritten.db")
	testkit.Check(s.t, os.WriteFile(to, data, 0o600))
	s.steps = append(s.steps, step{"overwritten", []string{to}})
}

func (s *scenario) apiServer(name, encryption string, args ...string) *cluster.APIServer {
	args = append(args, "--etcd-compaction-interval=0") // on a busy machine the scenario may take longer than five minutes
	return testkit.Must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Name: name, Etcd: s.etcd, Encryption: encryption, Args: args}))(s.t)
}

// keep takes a snapshot, and copies the data directory while the member is stopped.
func (s *scenario) keep(name string) {
	snapshot, data := filepath.Join(s.dir, name+".db"), filepath.Join(s.dir, name)
	s.snapshot(snapshot)
	// The snapshot has made etcd commit what it had. A graceful end would wait seven seconds
	// for the watches of API servers.
	testkit.Check(s.t, s.etcd.Member(0).Kill())
	testkit.Check(s.t, os.CopyFS(data, os.DirFS(s.etcd.Member(0).DataDir)))
	testkit.Check(s.t, s.etcd.Restart(s.ctx))
	s.steps = append(s.steps, step{name, []string{data, snapshot}})
}

func (s *scenario) snapshot(file string) {
	out := testkit.Must(os.Create(file))(s.t)
	in := testkit.Must(s.etcd.Client().Snapshot(s.ctx))(s.t)
	testkit.Must(io.Copy(out, in))(s.t)
	testkit.Check(s.t, in.Close())
	testkit.Check(s.t, out.Close())
}

// plantByAPIServers writes Secrets through one API server for each encoding, and deletes some.
func (s *scenario) plantByAPIServers(encodings ...string) {
	for _, encoding := range encodings {
		a := s.apiServer(encoding, "", "--storage-media-type="+map[string]string{"protobuf": "application/vnd.kubernetes.protobuf", "json": "application/json", "yaml": "application/yaml"}[encoding])
		namespace := "residue-" + encoding
		testkit.Must(a.Client().CoreV1().Namespaces().Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}))(s.t)
		var g errgroup.Group
		g.SetLimit(parallel)
		for _, p := range s.plants(namespace, encoding) {
			g.Go(func() error {
				secrets := a.Client().CoreV1().Secrets(namespace)
				if _, err := secrets.Create(s.ctx, p.secret, metav1.CreateOptions{}); err != nil {
					return err
				}
				if err := s.note(cluster.SecretKey(namespace, p.secret.Name), "Secret", p.canaries...); err != nil || !p.short {
					return err
				}
				return secrets.Delete(s.ctx, p.secret.Name, metav1.DeleteOptions{})
			})
		}
		testkit.Check(s.t, g.Wait())
		testkit.Check(s.t, a.Kill())
	}
}

// note reads back what etcd has under a key.
func (s *scenario) note(key, kind string, canaries ...[]byte) error {
	kv, err := s.etcd.Get(s.ctx, key, 0)
	if err != nil {
		return err
	}
	return s.ledger.Add(kv, kind, canaries...)
}

// plant is a Secret to write; one that is short is deleted again.
type plant struct {
	secret   *corev1.Secret
	canaries [][]byte
	short    bool
}

// plants are the Secrets of one encoding, of all sizes mixed.
func (s *scenario) plants(namespace, encoding string) (all []plant) {
	for _, of := range sizes {
		for i := range of.count {
			first, last := s.ledger.Canary(), s.ledger.Canary()
			data := filled(of.size)
			// Base64 looks different at each of three alignments.
			copy(data[4+i%3:], first)
			copy(data[of.size-len(last)-5-i/3%3:], last)
			all = append(all, plant{newSecret(namespace, fmt.Sprintf("%s-%s-%02d", encoding, of.name, i), "password", data), [][]byte{first, last}, i%10 == 1})
		}
	}
	for _, inner := range s.serialized() {
		all = append(all, plant{newSecret(namespace, encoding+"-holds-"+inner.name, "manifest", inner.data), inner.canaries, false})
	}
	// Mixed, so that leaves of the database hold several sizes.
	slices.SortFunc(all, func(a, b plant) int { return bytes.Compare(a.canaries[0], b.canaries[0]) })
	return all
}

func newSecret(namespace, name, field string, data []byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data:       map[string][]byte{field: data},
	}
}

func filled(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.Read(data) // never fails
	return data
}

// writeMore takes pages into use again, with ciphertext of many sizes.
func (s *scenario) writeMore(a *cluster.APIServer) {
	for round := range 6 {
		var g errgroup.Group
		g.SetLimit(parallel)
		for i, size := range []int{200, 3000, 900, 40_000, 6000, 100_000, 150, 12_000, 2000} {
			for n := range 6 {
				g.Go(func() error {
					secret := newSecret("residue-json", fmt.Sprintf("more-%d-%d-%d", round, i, n), "password", filled(size+n*size/10))
					_, err := a.Client().CoreV1().Secrets(secret.Namespace).Create(s.ctx, secret, metav1.CreateOptions{})
					return err
				})
			}
		}
		testkit.Check(s.t, g.Wait())
	}
}
