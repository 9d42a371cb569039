package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

const pageSize = 4096

// pages are the pages of a database that damage is done to: of the root bucket, and of the tree
// of etcd's keys, by level from its root.
type pages struct {
	root, keys int
	branches   []int // below the root of the keys
	leaf       int   // one page, with several Secrets
	run        int   // a leaf of several pages
}

// pagesOf reads the pages without the product's reader, from what bbolt says of its root.
func pagesOf(t *testing.T, name string, data []byte) (p pages) {
	t.Helper()
	db := testkit.Must(bolt.Open(name, 0, &bolt.Options{ReadOnly: true}))(t)
	testkit.Check(t, db.View(func(tx *bolt.Tx) error {
		p.root, p.keys = int(tx.Cursor().Bucket().Root()), int(tx.Bucket([]byte("key")).Root())
		return nil
	}))
	testkit.Check(t, db.Close())
	var leaves func(page int, below bool)
	leaves = func(page int, below bool) {
		head := data[page*pageSize:]
		if binary.LittleEndian.Uint16(head[8:]) == 2 {
			if n := bytes.Count(head[:pageSize], []byte(`{"kind":"Secret"`)); p.leaf == 0 && n > 1 && !bytes.Contains(head[:pageSize], []byte("kube-system")) && binary.LittleEndian.Uint32(head[12:]) == 0 {
				p.leaf = page
			}
			if p.run == 0 && binary.LittleEndian.Uint32(head[12:]) > 0 {
				p.run = page
			}
			return
		}
		if below {
			p.branches = append(p.branches, page)
		}
		for i := range int(binary.LittleEndian.Uint16(head[10:])) {
			leaves(int(binary.LittleEndian.Uint64(head[16+16*i+8:])), true)
		}
	}
	leaves(p.keys, false)
	if p.leaf == 0 || p.run == 0 || len(p.branches) < 2 {
		t.Fatalf("the database is too small for this test: %+v", p)
	}
	return p
}

// first is where the first key of a leaf begins.
func first(leaf []byte) int { return 16 + int(binary.LittleEndian.Uint32(leaf[16+4:])) }

// copyAt is one copy of a Secret: from its key on, or from its value where that has no key, up to
// the end of its names.
type copyAt struct {
	name     string
	from, to int64
}

// copiesIn are the copies that a report names.
func copiesIn(t *testing.T, r *auditv1.Report, data []byte) (all map[int64]copyAt) {
	t.Helper()
	all = map[int64]copyAt{}
	for _, id := range []string{"EA-101", "EA-121"} {
		for _, result := range checkOf(t, r, id).Results {
			if int(result.Count) != len(result.Objects) {
				t.Fatalf("%s counts %d and lists %d", id, result.Count, len(result.Objects))
			}
			for _, o := range result.Objects {
				at := o.Origin.Offset
				names := bytes.Index(data[at:], []byte(`"data"`))
				if names < 0 {
					t.Fatalf("%s is not at %d", o.Name, at)
				}
				from := at
				if key := bytes.LastIndex(data[max(0, at-100):at], []byte(fmt.Sprintf("/registry/secrets/%s/%s", o.Namespace, o.Name))); key >= 0 {
					from = max(0, at-100) + int64(key) - 3
				}
				if _, twice := all[at]; twice {
					t.Fatalf("%s at %d is reported twice", o.Name, at)
				}
				all[at] = copyAt{o.Name, from, at + int64(names)}
			}
		}
	}
	return all
}

// A page of each kind is damaged in turn. Every copy of a Secret that is found in the sound file is
// found in the damaged one, at the same place and without a flag, but for those of which the
// damage has overwritten the beginning, or, where nothing shows any more that pages belong
// together, the beginning of which goes across the end of one.
func TestWhatDamageLeavesIsFound(t *testing.T) {
	e := startEtcd(t)
	fillWithSecrets(t, e)
	testkit.Check(t, e.Stop(t.Context()))
	sound := filepath.Join(t.TempDir(), "sound.db")
	whole := testkit.Must(os.ReadFile(filepath.Join(e.Member(0).DataDir, "member/snap/db")))(t)
	testkit.Check(t, os.WriteFile(sound, whole, 0o600))
	p := pagesOf(t, sound, whole)
	want := copiesIn(t, jsonReport(t, "scan", sound), whole)
	if len(want) < 1000 {
		t.Fatalf("%d copies", len(want))
	}
	zero := func(pages ...int) func(b []byte) {
		return func(b []byte) {
			for _, page := range pages {
				clear(b[page*pageSize : (page+1)*pageSize])
			}
		}
	}
	set := func(page, at int, value ...byte) func(b []byte) {
		return func(b []byte) { copy(b[page*pageSize+at:], value) }
	}
	const flags, count, overflow, child, magic, checksum = 8, 10, 12, 16 + 8, 16, 16 + 56
	far := []byte{0xff, 0xff, 0xff, 0x7f}
	for name, damage := range map[string]func(b []byte){
		"meta page 0":                                  zero(0),
		"meta page 1":                                  zero(1),
		"both meta pages":                              zero(0, 1),
		"the checksums of both meta pages":             func(b []byte) { b[checksum] ^= 1; b[pageSize+checksum] ^= 1 },
		"the magic of both meta pages":                 func(b []byte) { b[magic] ^= 1; b[pageSize+magic] ^= 1 },
		"the meta pages and the root":                  zero(0, 1, p.root),
		"the root of the buckets":                      zero(p.root),
		"the root's flags":                             set(p.root, flags, 0xff, 0xff),
		"the root's count":                             set(p.root, count, 0, 0),
		"the root of the keys":                         zero(p.keys),
		"the flags of the keys' root":                  set(p.keys, flags, 4, 0),
		"the number of the keys' root":                 set(p.keys, 0, 0xfe),
		"a branch":                                     zero(p.branches[0]),
		"every branch":                                 zero(p.branches...),
		"a branch that refers beyond":                  set(p.branches[1], child, far...),
		"a root that refers beyond":                    set(p.keys, child, far...),
		"a root that refers to itself":                 set(p.keys, child, byte(p.keys), byte(p.keys>>8), byte(p.keys>>16)),
		"a leaf":                                       zero(p.leaf),
		"a leaf's flags":                               set(p.leaf, flags, 1, 0),
		"a leaf's unknown flags":                       set(p.leaf, flags, 0x40, 0),
		"a leaf's count":                               set(p.leaf, count, 1, 0),
		"a leaf's overflow":                            set(p.leaf, overflow, far...),
		"the first element of a leaf":                  set(p.leaf, 16, far...),
		"the first page of several":                    zero(p.run),
		"the flags of a leaf of several":               set(p.run, flags, 0, 0),
		"the overflow of a leaf of several":            set(p.run, overflow, 0, 0, 0, 0),
		"all that leads to keys":                       zero(append([]int{0, 1, p.root, p.keys}, p.branches...)...),
		"a leaf that calls itself a freelist":          set(p.leaf, flags, 0x10, 0),
		"a leaf of several that calls itself a branch": set(p.run, flags, 1, 0),
		"the revision of a leaf's first key":           func(b []byte) { b[p.leaf*pageSize+first(b[p.leaf*pageSize:])+8] ^= 1 },
		"the first byte of a leaf's first value":       func(b []byte) { b[p.leaf*pageSize+first(b[p.leaf*pageSize:])+17] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			damaged := bytes.Clone(whole)
			damage(damaged)
			if lost := lostBy(t, whole, damaged, want); lost > 20 {
				t.Errorf("%d copies are lost, more than the overwritten pages can have held", lost)
			}
		})
	}
	t.Run("the second half is not there", func(t *testing.T) { lostBy(t, whole, whole[:len(whole)/2], want) })
	t.Run("pages by chance", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			damaged := bytes.Clone(whole)
			zero(p.branches[0])(damaged) // by chance all others may be in no use
			for range 10 {
				page := damaged[random.IntN(len(whole)/pageSize)*pageSize:][:pageSize]
				switch random.IntN(3) {
				case 0:
					clear(page)
				case 1:
					copy(page, whole[random.IntN(len(whole)/pageSize)*pageSize:][:pageSize]) // as a write to the wrong place
				default:
					for i := range page {
						page[i] = byte(random.Uint32())
					}
				}
			}
			lostBy(t, whole, damaged, want)
		}
	})
}

// lostBy looks whether the copies that are found in a sound file are found in a damaged one, but
// for those that the damage can have taken. It returns how many these are.
func lostBy(t *testing.T, whole, damaged []byte, want map[int64]copyAt) (lost int) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "damaged.db")
	testkit.Check(t, os.WriteFile(name, damaged, 0o600))
	status, out, errs := run(t, "scan", name, "--output", "json")
	if status != 1 {
		t.Fatalf("status %d, %s", status, errs)
	}
	r := &auditv1.Report{}
	testkit.Check(t, protojson.Unmarshal([]byte(out), r))
	if checkOf(t, r, "EA-124").Status != auditv1.Status_STATUS_FAIL {
		t.Error("no damage is reported")
	}
	if slices.ContainsFunc(checkOf(t, r, "EA-101").Results, func(r *auditv1.Result) bool { return r.Status == auditv1.Status_STATUS_PASS }) {
		t.Error("live values pass")
	}
	got := copiesIn(t, r, damaged)
	for at, c := range want {
		overwritten := c.to > int64(len(damaged)) || !bytes.Equal(whole[c.from:c.to], damaged[c.from:c.to])
		across := c.from/pageSize != (c.to-1)/pageSize
		if _, ok := got[at]; !ok && !overwritten && !across {
			t.Errorf("%s at %d is lost", c.name, at)
		} else if !ok {
			lost++
		}
	}
	t.Logf("%d of %d copies are lost with the bytes that were overwritten, or go across pages", lost, len(want))
	return lost
}

// One file that cannot be read is one source that is not evaluated: the log beside it is searched,
// and so are the other files that were named.
func TestWhatIsBesideABadFileIsRead(t *testing.T) {
	e, dir := leftBehind(t)
	testkit.Check(t, e.Stop(t.Context()))
	data := e.Member(0).DataDir
	testkit.Check(t, os.Truncate(filepath.Join(data, "member/snap/db"), 0))
	lite := file(t, "SQLite format 3\x00")
	for layer, paths := range map[string][]string{"wal": {data}, "free-pages": {lite, filepath.Join(dir, "snapshot.db")}} {
		status, out, errs := run(t, append([]string{"scan", "--output", "json"}, paths...)...)
		r := &auditv1.Report{}
		testkit.Check(t, protojson.Unmarshal([]byte(out), r))
		if status != 1 || errs != "" || len(objectsIn(t, r, "EA-121", layer)) == 0 {
			t.Errorf("%s: status %d, %s, %v", layer, status, errs, r.Scopes)
		}
		if !slices.ContainsFunc(r.NotEvaluated, func(l *auditv1.Layer) bool {
			return strings.Contains(l.Reason, "snap/db is empty") || strings.Contains(l.Reason, "SQLite")
		}) {
			t.Errorf("%s: what could not be read is not said: %v", layer, r.NotEvaluated)
		}
	}
	if status, out, errs := run(t, "scan", lite, file(t, "no database")); status != 2 || out != "" || strings.Count(errs, "\n") != 1 {
		t.Errorf("nothing can be read: status %d, %q, %s", status, out, errs)
	}
}

// fillWithSecrets writes Secrets of several sizes, and others in the place of some, until the tree
// of keys has three levels.
func fillWithSecrets(t *testing.T, e *cluster.Etcd) {
	t.Helper()
	commit(t, e, clientv3.OpPut("/registry/namespaces/kube-system", stored.Plaintext))
	sizes := []int{100, 1000, 400, 3000, 150, 9000, 700, 250}
	for round := range 20 {
		var ops []clientv3.Op
		for i := range 100 {
			n := round*100 + i
			name := fmt.Sprintf("s%04d", n)
			ops = append(ops, clientv3.OpPut("/registry/secrets/shop/"+name,
				fmt.Sprintf(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":%q,"namespace":"shop"},"data":{"p":%q}}`, name, strings.Repeat("QUJD", sizes[n%len(sizes)]/4))))
		}
		commit(t, e, ops...)
	}
	testkit.Must(e.Client().HashKV(t.Context(), e.Endpoints()[0], 0))(t)
	for n := 0; n < 2000; n += 10 {
		commit(t, e, clientv3.OpPut(fmt.Sprintf("/registry/secrets/shop/s%04d", n), stored.KMSv2("p", "k", 1)))
	}
	testkit.Must(e.Client().HashKV(t.Context(), e.Endpoints()[0], 0))(t)
	last := testkit.Must(e.Client().Get(t.Context(), "x"))(t).Header.Revision
	testkit.Must(e.Client().Compact(t.Context(), last, clientv3.WithCompactPhysical()))(t)
	testkit.Must(e.Client().HashKV(t.Context(), e.Endpoints()[0], 0))(t)
}
