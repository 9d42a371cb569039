package truth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/test/residue/truth"
	"github.com/sealproof/sealproof/test/testkit"
)

// write is one value at one revision.
type write struct {
	kv *mvccpb.KeyValue
	// named says whether the names are in the value.
	named bool
}

// newWrite adds a value of a size with two canaries to the ledger. encode is what becomes of
// its data.
func newWrite(t *testing.T, l *truth.Ledger, name string, revision int64, size int, encode func([]byte) string) write {
	t.Helper()
	first, last := l.Canary(), l.Canary()
	data := bytes.Join([][]byte{{'>'}, first, bytes.Repeat([]byte{'-'}, size), last, {'<'}}, nil)
	named := encode == nil
	text := "Secret in elsewhere is " + name + string(data)
	if !named {
		text = encode(data)
	}
	kv := &mvccpb.KeyValue{Key: []byte("/registry/secrets/elsewhere/" + name), CreateRevision: revision, ModRevision: revision, Version: 1, Value: []byte(text)}
	testkit.Check(t, l.Add(kv, "Secret", first, last))
	return write{kv, named}
}

func revisionKey(revision int64, end string) []byte {
	k := binary.BigEndian.AppendUint64(nil, uint64(revision))
	return append(append(append(k, '_'), make([]byte, 8)...), end...)
}

// change changes a database as etcd does: in one transaction, and without a list of free pages.
func change(t *testing.T, file string, do func(keys *bolt.Bucket) error) {
	t.Helper()
	db := testkit.Must(bolt.Open(file, 0o600, &bolt.Options{NoFreelistSync: true, PageSize: 4096}))(t)
	testkit.Check(t, db.Update(func(tx *bolt.Tx) error {
		keys, err := tx.CreateBucketIfNotExists([]byte("key"))
		if err != nil {
			return err
		}
		return do(keys)
	}))
	testkit.Check(t, db.Close())
}

func store(t *testing.T, file string, writes ...write) {
	t.Helper()
	change(t, file, func(keys *bolt.Bucket) error {
		for _, w := range writes {
			if err := keys.Put(revisionKey(w.kv.ModRevision, ""), testkit.Must(proto.Marshal(w.kv))(t)); err != nil {
				return err
			}
		}
		return nil
	})
}

// seen is what the truth finds in one file, as text: key, layer, and whether it is intact.
func seen(t *testing.T, l *truth.Ledger, file string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, f := range testkit.Must(l.Files(file))(t) {
		for _, o := range f.Occurrences {
			text := fmt.Sprintf("%s %s", o.Write.Name, o.Layer)
			if !o.Intact {
				text += " headless"
			}
			all[text]++
		}
	}
	return all
}

func expect(t *testing.T, got map[string]int, want ...string) {
	t.Helper()
	wanted := map[string]int{}
	for _, w := range want {
		wanted[w]++
	}
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Errorf("got  %v\nwant %v", got, wanted)
	}
}

func TestCanariesAreFoundInEveryForm(t *testing.T) {
	for name, encode := range map[string]func([]byte) string{
		"as they are":           func(data []byte) string { return string(data) },
		"in base64":             func(data []byte) string { return base64.StdEncoding.EncodeToString(data) },
		"in base64, one later":  func(data []byte) string { return base64.StdEncoding.EncodeToString(append([]byte{0xff}, data...)) },
		"in base64, two later":  func(data []byte) string { return base64.StdEncoding.EncodeToString(append([]byte{0xff, 0}, data...)) },
		"in base64 and a quote": func(data []byte) string { return `{"x":"` + base64.StdEncoding.EncodeToString(data) + `"}` },
	} {
		t.Run(name, func(t *testing.T) {
			l, file := truth.NewLedger(), filepath.Join(t.TempDir(), "db")
			w := newWrite(t, l, "x", 5, 1000, encode)
			store(t, file, w)
			expect(t, seen(t, l, file), "x live", "x live")
			// They are where the value is.
			data := testkit.Must(os.ReadFile(file))(t)
			for _, o := range testkit.Must(l.Files(file))(t)[0].Occurrences {
				if at := bytes.Index(data, w.kv.Value); int64(at) != o.Value || o.Offset <= o.Value {
					t.Errorf("the value is at %d: %+v", at, o)
				}
			}
		})
	}
}

func TestACanaryThatIsNotInItsValueIsRefused(t *testing.T) {
	l := truth.NewLedger()
	canary := l.Canary()
	kv := &mvccpb.KeyValue{Key: []byte("/registry/secrets/a/b"), Value: []byte("nothing")}
	if err := l.Add(kv, "Secret", canary); err == nil {
		t.Error("a value without its canary was taken")
	}
	kv.Value = append(bytes.Clone(canary), canary...)
	if err := l.Add(kv, "Secret", canary); err == nil {
		t.Error("a value with a canary in two places was taken")
	}
	kv.Value = canary
	testkit.Check(t, l.Add(kv, "Secret", canary))
	if err := l.Add(kv, "Secret", canary); err == nil {
		t.Error("one canary was taken twice")
	}
}

func TestLayersOfADatabase(t *testing.T) {
	l, file := truth.NewLedger(), filepath.Join(t.TempDir(), "db")
	older, newer := newWrite(t, l, "twice", 2, 100, nil), newWrite(t, l, "twice", 3, 100, nil)
	deleted, large := newWrite(t, l, "deleted", 4, 100, nil), newWrite(t, l, "large", 6, 300_000, nil)
	store(t, file, older, newer, deleted, large)
	change(t, file, func(keys *bolt.Bucket) error {
		return keys.Put(revisionKey(5, "t"), testkit.Must(proto.Marshal(&mvccpb.KeyValue{Key: deleted.kv.Key}))(t))
	})
	// The second change has written the leaf anew, and left the first one.
	first := []string{"twice free pages", "twice free pages", "twice free pages", "twice free pages", "deleted free pages", "deleted free pages", "large free pages", "large free pages"}
	expect(t, seen(t, l, file), append(first,
		"twice history", "twice history", "twice live", "twice live", "deleted history", "deleted history", "large live", "large live")...)

	change(t, file, func(keys *bolt.Bucket) error { return keys.Delete(revisionKey(2, "")) })
	got := seen(t, l, file)
	if got["twice history"] != 0 || got["twice live"] != 2 || got["twice free pages"] < 2 {
		t.Errorf("after a compaction: %v", got)
	}
	t.Run("beyond the last page", func(t *testing.T) {
		data := testkit.Must(os.ReadFile(file))(t)
		longer := filepath.Join(t.TempDir(), "x.db")
		testkit.Check(t, os.WriteFile(longer, append(data, newer.kv.Value...), 0o600))
		got := seen(t, l, longer)
		if got["twice beyond the last page"] != 2 || got["twice live"] != 2 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("another file", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "x")
		testkit.Check(t, os.WriteFile(other, newer.kv.Value, 0o600))
		expect(t, seen(t, l, other), "twice another file", "twice another file")
	})
}

func TestAHeadIsIntactOnlyIfItNamesTheValue(t *testing.T) {
	l, dir := truth.NewLedger(), t.TempDir()
	named := newWrite(t, l, "named", 2, 300_000, nil)
	unnamed := newWrite(t, l, "unnamed", 3, 300_000, func(data []byte) string { return string(data) })
	file := filepath.Join(dir, "db")
	store(t, file, named, unnamed)
	change(t, file, func(keys *bolt.Bucket) error {
		_ = keys.Delete(revisionKey(2, ""))
		return keys.Delete(revisionKey(3, ""))
	})
	whole := testkit.Must(os.ReadFile(file))(t)
	intact := []string{"named free pages", "named free pages", "unnamed free pages", "unnamed free pages"}
	for name, tc := range map[string]struct {
		of   write
		at   int // from the beginning of the value
		want []string
	}{
		"nothing is overwritten":                {named, -10_000_000, intact},
		"the key of what names itself":          {named, -20, intact},
		"the key of what does not":              {unnamed, -20, []string{"named free pages", "named free pages", "unnamed free pages headless", "unnamed free pages headless"}},
		"the first byte":                        {named, 0, []string{"named free pages headless", "named free pages headless", "unnamed free pages", "unnamed free pages"}},
		"something between the canaries":        {named, 200_000, []string{"named free pages", "named free pages headless", "unnamed free pages", "unnamed free pages"}},
		"something behind the last canary":      {named, len(named.kv.Value) - 1, intact},
		"a byte of the second, before its last": {unnamed, 200_000, []string{"named free pages", "named free pages", "unnamed free pages", "unnamed free pages headless"}},
	} {
		t.Run(name, func(t *testing.T) {
			data := bytes.Clone(whole)
			if at := bytes.Index(data, tc.of.kv.Value) + tc.at; at > 0 {
				data[at] ^= 1
			}
			damaged := filepath.Join(t.TempDir(), "db")
			testkit.Check(t, os.WriteFile(damaged, data, 0o600))
			expect(t, seen(t, l, damaged), tc.want...)
		})
	}
}

func TestTheBeginningOfAValueIsKnown(t *testing.T) {
	l, file := truth.NewLedger(), filepath.Join(t.TempDir(), "db")
	w := newWrite(t, l, "x", 2, 9000, nil)
	store(t, file, w)
	f := testkit.Must(l.Files(file))(t)[0]
	at := int64(bytes.Index(testkit.Must(os.ReadFile(file))(t), w.kv.Value))
	key := string(w.kv.Key)
	if got := f.Value(key, at); got == nil || got.ModRevision != 2 || f.Layer(at) != truth.Live || f.Unused(at, at+1) {
		t.Errorf("at its place: %+v", got)
	}
	if f.Value(key, at+1) != nil || f.Value(key+"y", at) != nil {
		t.Error("a value was found where none begins, or under another key")
	}
	if f.Around(key, at+8000) == nil || f.Around(key, at-1) != nil || f.Around(key+"y", at+8000) != nil {
		t.Error("the inside of the value is not known")
	}
}

// segment makes a file of the write-ahead log, frame by frame.
type segment struct {
	data []byte
	crc  uint32
}

func (s *segment) record(kind uint64, content []byte) {
	if kind != 4 {
		s.crc = crc32.Update(s.crc, crc32.MakeTable(crc32.Castagnoli), content)
	}
	number := func(b []byte, field protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
	}
	record := number(number(nil, 1, kind), 2, uint64(s.crc))
	if content != nil {
		record = protowire.AppendBytes(protowire.AppendTag(record, 3, protowire.BytesType), content)
	}
	head, padding := uint64(len(record)), (8-len(record)%8)%8
	if padding > 0 {
		head |= (0x80 | uint64(padding)) << 56
	}
	s.data = append(append(binary.LittleEndian.AppendUint64(s.data, head), record...), make([]byte, padding)...)
}

func (s *segment) put(t *testing.T, index uint64, w write) {
	request := testkit.Must(proto.Marshal(&etcdserverpb.InternalRaftRequest{Put: &etcdserverpb.PutRequest{Key: w.kv.Key, Value: w.kv.Value}}))(t)
	entry := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 7)
	entry = protowire.AppendVarint(protowire.AppendTag(entry, 3, protowire.VarintType), index)
	s.record(2, protowire.AppendBytes(protowire.AppendTag(entry, 4, protowire.BytesType), request))
}

func TestLayersOfALog(t *testing.T) {
	l := truth.NewLedger()
	a, b := newWrite(t, l, "a", 2, 500, nil), newWrite(t, l, "b", 3, 501, func(data []byte) string { return string(data) })
	s := &segment{crc: 0x1234} // a segment that follows others
	s.record(4, nil)
	s.record(1, []byte("metadata"))
	s.put(t, 11, a)
	second := len(s.data)
	s.put(t, 12, b)
	end := len(s.data)
	s.data = append(s.data, make([]byte, 4096)...)
	for name, tc := range map[string]struct {
		damage func(data []byte)
		want   []string
	}{
		"whole":                        {func([]byte) {}, []string{"a log", "a log", "b log", "b log"}},
		"a wrong byte in the second":   {func(data []byte) { data[end-100] ^= 1 }, []string{"a log", "a log", "b behind the end of the log", "b behind the end of the log headless"}},
		"the second has no length":     {func(data []byte) { clear(data[second : second+8]) }, []string{"a log", "a log", "b behind the end of the log", "b behind the end of the log"}},
		"its length leads too far":     {func(data []byte) { data[second+5] = 1 }, []string{"a log", "a log", "b behind the end of the log", "b behind the end of the log"}},
		"the key of what has no names": {func(data []byte) { data[bytes.Index(data, b.kv.Value)-10] ^= 1 }, []string{"a log", "a log", "b behind the end of the log headless", "b behind the end of the log headless"}},
	} {
		t.Run(name, func(t *testing.T) {
			data, file := bytes.Clone(s.data), filepath.Join(t.TempDir(), "0-0.wal")
			tc.damage(data)
			testkit.Check(t, os.WriteFile(file, data, 0o600))
			expect(t, seen(t, l, file), tc.want...)
			for _, o := range testkit.Must(l.Files(file))(t)[0].Occurrences {
				if o.Layer == truth.Log && (o.Term != 7 || o.Index != map[string]uint64{"a": 11, "b": 12}[o.Write.Name]) {
					t.Errorf("%s is in the entry %d of term %d", o.Write.Name, o.Index, o.Term)
				}
			}
		})
	}
}
