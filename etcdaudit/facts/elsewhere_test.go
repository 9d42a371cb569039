package facts_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// A database and a log are several scopes, and their keys outside of the prefix are the same.
func TestKeysOutsideThePrefixAreSaidOnceAndAsWhatTheyAre(t *testing.T) {
	for layer, want := range map[record.Layer]string{
		record.Live: "7 in this etcd", record.History: "", record.FreePages: "", record.WAL: "7 writes in this log", record.Undetermined: "not known",
	} {
		f := facts.Facts{Stores: []facts.Store{{Scope: record.Scope{Layer: layer, Prefix: "/registry/", Outside: 7}, Inventory: inventory.New("/registry", nil)}}}
		said := ""
		for _, n := range f.NotRead() {
			if n.ID == facts.OutsidePrefix {
				said += n.Reason
			}
		}
		if (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: %q, want %q", layer, said, want)
		}
	}
}
