package atrest

import (
	"bytes"
	"os"
	"testing"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/test/testkit"
)

func TestTheFilesHoldWhatWasWritten(t *testing.T) {
	for name, o := range map[string]Options{
		"rewritten": {Secrets: 1000, Rewritten: true}, "plaintext": {Secrets: 1000, Plaintext: true}, "encrypted": {Secrets: 1000, Large: 6},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := testkit.Must(Make(dir, o))(t)
			db := testkit.Must(bbolt.Open(f.Database, 0, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true}))(t)
			newest, all, free := map[string]int64{}, 0, 0
			testkit.Check(t, db.View(func(tx *bbolt.Tx) error {
				free = db.Stats().FreePageN
				return tx.Bucket([]byte("key")).ForEach(func(_, v []byte) error {
					kv := &mvccpb.KeyValue{}
					testkit.Check(t, proto.Unmarshal(v, kv))
					newest[string(kv.Key)] = kv.ModRevision
					all++
					return nil
				})
			}))
			testkit.Check(t, db.Close())
			if len(newest) != f.Live || all != f.Live+f.Old || o.Rewritten && (f.Old == 0 || free < 100) {
				t.Errorf("%d keys, %d versions and %d free pages, want %d and %d", len(newest), all, free, f.Live, f.Live+f.Old)
			}
			again := testkit.Must(Make(t.TempDir(), o))(t)
			for i, name := range f.Segments {
				if !bytes.Equal(testkit.Must(os.ReadFile(name))(t), testkit.Must(os.ReadFile(again.Segments[i]))(t)) {
					t.Errorf("%s is another file each time", name)
				}
			}
		})
	}
}
