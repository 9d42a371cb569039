package residue_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/residue"
	"github.com/sealproof/sealproof/test/residue/truth"
	"github.com/sealproof/sealproof/test/testkit"
)

// small is a database with two live Secrets, one of which is also in a free page, with the
// holder of a Secret, and with the end of a value in a page that nothing begins.
func small(t *testing.T) []*truth.File {
	t.Helper()
	l, file := truth.NewLedger(), filepath.Join(t.TempDir(), "db")
	revision := int64(1)
	change := func(key, kind string, size int) {
		revision++
		first, last := l.Canary(), l.Canary()
		name := key[strings.LastIndex(key, "/")+1:]
		value := fmt.Appendf(nil, "%s in residue is %s: %s%s%s", kind, name, first, bytes.Repeat([]byte("-"), size), last)
		kv := &mvccpb.KeyValue{Key: []byte(key), CreateRevision: revision, ModRevision: revision, Version: 1, Value: value}
		testkit.Check(t, l.Add(kv, kind, first, last))
		db := testkit.Must(bolt.Open(file, 0o600, &bolt.Options{NoFreelistSync: true, PageSize: 4096}))(t)
		testkit.Check(t, db.Update(func(tx *bolt.Tx) error {
			keys := testkit.Must(tx.CreateBucketIfNotExists([]byte("key")))(t)
			at := append(binary.BigEndian.AppendUint64(nil, uint64(revision)), "_\x00\x00\x00\x00\x00\x00\x00\x00"...)
			return keys.Put(at, testkit.Must(proto.Marshal(kv))(t))
		}))
		testkit.Check(t, db.Close())
	}
	change("/registry/secrets/residue/a", "Secret", 9000)
	change("/registry/configmaps/residue/c", "ConfigMap", 10)
	change("/registry/secrets/residue/b", "Secret", 20_000)
	files := testkit.Must(l.Files(file))(t)
	// Of the copy of a in free pages the beginning is overwritten, and its page's.
	data := testkit.Must(os.ReadFile(file))(t)
	for _, o := range files[0].Occurrences {
		if o.Layer == truth.FreePages && o.Write.Name == "a" {
			data[o.Value] ^= 1
			clear(data[o.Value&^4095:][:16])
			break
		}
	}
	testkit.Check(t, os.WriteFile(file, data, 0o600))
	return testkit.Must(l.Files(file))(t)
}

// perfect is the report that says all of it.
func perfect(files []*truth.File) *auditv1.Report {
	checks := map[string]*auditv1.Result{}
	report := &auditv1.Report{}
	for _, id := range []string{"EA-101", "EA-107", "EA-121", "EA-123"} {
		checks[id] = &auditv1.Result{}
		report.Checks = append(report.Checks, &auditv1.Check{Id: id, Results: []*auditv1.Result{checks[id]}})
	}
	seen := map[int64]bool{}
	for _, f := range files {
		for _, o := range f.Occurrences {
			layer := map[truth.Layer]string{truth.Live: "live", truth.History: "history", truth.FreePages: "free-pages"}[o.Layer]
			id, object := "EA-121", &auditv1.Object{
				Resource: strings.Split(o.Write.Key, "/")[2], Namespace: o.Write.Namespace, Name: o.Write.Name, Revision: o.Write.ModRevision,
				Origin: &auditv1.Origin{Layer: layer, File: f.Name, Offset: o.Value},
			}
			switch {
			case !o.Intact:
				id, object = "EA-123", &auditv1.Object{Origin: &auditv1.Origin{Layer: layer, File: f.Name, Offset: o.Offset &^ 4095}}
			case o.Write.Kind != "Secret":
				id = "EA-107"
			case o.Layer == truth.Live:
				id = "EA-101"
			}
			if at := object.GetOrigin().GetOffset(); !seen[at] {
				seen[at] = true
				checks[id].Objects = append(checks[id].Objects, object)
				checks[id].Count++
			}
		}
	}
	return report
}

func TestAReportIsHeldAgainstTheFiles(t *testing.T) {
	files := small(t)
	of := func(r *auditv1.Report, id string) *auditv1.Result {
		for _, c := range r.GetChecks() {
			if c.GetId() == id {
				return c.GetResults()[0]
			}
		}
		return nil
	}
	for name, tc := range map[string]struct {
		change              func(r *auditv1.Report)
		missed, lost, false int
	}{
		"all of it": {func(*auditv1.Report) {}, 0, 0, 0},
		"nothing":   {func(r *auditv1.Report) { r.Checks = nil }, 10, 2, 0},
		"one less": {func(r *auditv1.Report) {
			of(r, "EA-101").Objects, of(r, "EA-101").Count = of(r, "EA-101").GetObjects()[1:], 1
		}, 2, 0, 0},
		"one twice": {func(r *auditv1.Report) {
			of(r, "EA-101").Objects = append(of(r, "EA-101").Objects, of(r, "EA-101").GetObjects()[0])
			of(r, "EA-101").Count++
		}, 0, 0, 1},
		"another count":             {func(r *auditv1.Report) { of(r, "EA-101").Count++ }, 0, 0, 1},
		"another offset":            {func(r *auditv1.Report) { of(r, "EA-101").Objects[0].Origin.Offset++ }, 2, 0, 1},
		"another name":              {func(r *auditv1.Report) { of(r, "EA-101").Objects[0].Name = "b" }, 2, 0, 1},
		"another layer":             {func(r *auditv1.Report) { of(r, "EA-101").Objects[0].Origin.Layer = "history" }, 0, 0, 1},
		"another revision":          {func(r *auditv1.Report) { of(r, "EA-101").Objects[0].Revision++ }, 2, 0, 0},
		"another file":              {func(r *auditv1.Report) { of(r, "EA-101").Objects[0].Origin.File += "x" }, 2, 0, 1},
		"the wrong check":           {func(r *auditv1.Report) { r.Checks[0].Id = "EA-121" }, 0, 0, 2},
		"a holder taken for Secret": {func(r *auditv1.Report) { r.Checks[1].Id = "EA-121" }, 0, 0, 2},
		"the place of what is held": {func(r *auditv1.Report) { of(r, "EA-107").Objects[0].Origin.Offset += 20 }, 0, 0, 0},
		"a fragment of what begins": {func(r *auditv1.Report) { of(r, "EA-123").Objects[0].Origin.Offset = 3 * 4096 }, 0, 1, 1},
		"a fragment within a page":  {func(r *auditv1.Report) { of(r, "EA-123").Objects[0].Origin.Offset++ }, 0, 0, 1},
		"no fragment":               {func(r *auditv1.Report) { of(r, "EA-123").Objects = nil }, 0, 2, 0},
		"a fragment further on":     {func(r *auditv1.Report) { of(r, "EA-123").Objects = of(r, "EA-123").Objects[1:] }, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			report := perfect(files)
			tc.change(report)
			c := residue.Compare(files, report)
			if len(c.Missed) != tc.missed || len(c.Lost) != tc.lost || len(c.False) != tc.false {
				t.Errorf("missed %v\nlost %v\nfalse %v", c.Missed, c.Lost, c.False)
			}
		})
	}
}
