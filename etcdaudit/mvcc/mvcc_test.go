package mvcc_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/mvcc"
)

func revision(main, sub uint64, mark string) []byte {
	b := binary.BigEndian.AppendUint64(nil, main)
	b = append(b, '_')
	return append(binary.BigEndian.AppendUint64(b, sub), mark...)
}

func TestKeysOfTheBucketAreRevisions(t *testing.T) {
	for name, tc := range map[string]struct {
		key           []byte
		want          mvcc.Revision
		tombstone, ok bool
	}{
		"a version":           {revision(7, 2, ""), mvcc.Revision{Main: 7, Sub: 2}, false, true},
		"a tombstone":         {revision(1<<40, 0, "t"), mvcc.Revision{Main: 1 << 40}, true, true},
		"another mark":        {revision(7, 2, "x"), mvcc.Revision{}, false, false},
		"too short":           {revision(7, 2, "")[:16], mvcc.Revision{}, false, false},
		"too long":            {revision(7, 2, "tt"), mvcc.Revision{}, false, false},
		"no separator":        {bytes.Repeat([]byte{1}, 17), mvcc.Revision{}, false, false},
		"a negative revision": {revision(1<<63, 0, ""), mvcc.Revision{}, false, false},
		"a negative part":     {revision(1, 1<<63, ""), mvcc.Revision{}, false, false},
		"nothing":             {nil, mvcc.Revision{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if rev, tombstone, ok := mvcc.ParseRevision(tc.key); rev != tc.want || tombstone != tc.tombstone || ok != tc.ok {
				t.Errorf("%v, %v, %v", rev, tombstone, ok)
			}
		})
	}
}

func TestVersionsAreReadAsEtcdWritesThem(t *testing.T) {
	for name, kv := range map[string]*mvccpb.KeyValue{
		"all fields": {Key: []byte("/registry/secrets/a/b"), CreateRevision: 3, ModRevision: 1 << 50, Version: 4, Value: []byte("v"), Lease: -5},
		"no value":   {Key: []byte("k"), ModRevision: 1},
		"long":       {Key: []byte("k"), Value: bytes.Repeat([]byte("x"), 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := proto.Marshal(kv)
			if err != nil {
				t.Fatal(err)
			}
			v, ok := mvcc.ParseVersion(b)
			if !ok || !bytes.Equal(v.Key, kv.Key) || !bytes.Equal(v.Value, kv.Value) || v.CreateRevision != kv.CreateRevision ||
				v.ModRevision != kv.ModRevision || v.Version != kv.Version || v.Lease != kv.Lease {
				t.Errorf("%v, of %v", v, kv)
			}
			if !bytes.Equal(b[v.ValueAt:v.ValueAt+len(v.Value)], kv.Value) {
				t.Errorf("the value does not stand at %d", v.ValueAt)
			}
			for cut := range min(len(b), 200) {
				if v, ok := mvcc.ParseVersion(b[:cut]); ok && !bytes.Equal(v.Key, kv.Key) {
					t.Errorf("cut to %d: %v", cut, v)
				}
			}
		})
	}
	if _, ok := mvcc.ParseVersion(nil); ok {
		t.Error("nothing is a version")
	}
	// Length 10 GiB of the value.
	if v, ok := mvcc.ParseVersion([]byte("\x0a\x01k\x2a\x80\x80\x80\x80\x28v")); ok || string(v.Key) != "k" || string(v.Value) != "v" {
		t.Errorf("%v, %v", v, ok)
	}
}

func TestASetKnowsItsKeys(t *testing.T) {
	const keys = 200_000
	s := mvcc.NewSeen()
	for round := range 2 {
		for i := 0; i < keys; i += 100 {
			var sums []uint64
			for j := range 200 { // each of them twice
				sums = append(sums, s.Sum(fmt.Appendf(nil, "/registry/secrets/n/%d", i+j%100)))
			}
			s.Add(sums)
			for j, sum := range sums {
				if added := sum != 0; added != (round == 0 && j < 100) {
					t.Fatalf("round %d, key %d: added %v", round, i+j, added)
				}
			}
		}
	}
	if s.Len() != keys || s.Bytes() > 24*keys {
		t.Errorf("%d keys in %d bytes", s.Len(), s.Bytes())
	}
}

func FuzzParse(f *testing.F) {
	b, err := proto.Marshal(&mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 3, ModRevision: 4, Version: 4, Value: []byte("v"), Lease: 5})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(revision(7, 2, "t"))
	f.Fuzz(func(t *testing.T, b []byte) {
		mvcc.ParseRevision(b)
		v, ok := mvcc.ParseVersion(b)
		var kv mvccpb.KeyValue
		if err := proto.Unmarshal(b, &kv); err == nil && len(kv.Key) > 0 {
			if !ok || !bytes.Equal(v.Key, kv.Key) || !bytes.Equal(v.Value, kv.Value) || v.ModRevision != kv.ModRevision || v.Lease != kv.Lease {
				t.Errorf("%v of %v", v, &kv)
			}
		}
	})
}
