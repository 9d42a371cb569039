package stored

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// Facts are what an audit learns from live values under /registry; config is nil for
// none.
func Facts(config *encryptionconfig.Config, records ...record.Record) facts.Facts {
	return FactsUnder("/registry", config, records...)
}

// FactsUnder is Facts for another prefix.
func FactsUnder(prefix string, config *encryptionconfig.Config, records ...record.Record) facts.Facts {
	inv := inventory.New(prefix, config)
	for _, rec := range records {
		inv.Add(rec)
	}
	f := facts.Facts{
		Encryption: config,
		Stores:     []facts.Store{{Scope: record.Scope{Layer: record.Live, Prefix: prefix + "/"}, Inventory: inv}},
	}
	if config != nil {
		f.EncryptionFile = "encryption.yaml"
	}
	return f
}

// Result is what the rule of an id says of its only target.
func Result(t testing.TB, f facts.Facts, id string) check.Result {
	t.Helper()
	all := rules.All()
	i := slices.IndexFunc(all, func(r check.Rule[facts.Facts]) bool { return r.ID == id })
	if i < 0 {
		t.Fatalf("there is no rule %s", id)
	}
	results := check.Evaluate(all[i:i+1], f)[0].Results
	if len(results) != 1 {
		t.Fatalf("%s has %d results", id, len(results))
	}
	return results[0]
}

// Case is what a rule must say of these values.
type Case struct {
	Name   string
	Values Values
	Config string // entries of an EncryptionConfiguration; empty for none
	KeyID  string // the one that is given as current
	// Layer that they are of; empty for live values. Copy and Remains are of that.
	Layer   record.Layer
	Copy    string
	Remains record.Remains
	Damaged int64
	InUse   bool
	Inexact string
	Outside int64

	Status check.Status
	Count  int64
	Says   string // in the summary or the reason
}

// Run judges every case by the rule of an id.
func Run(t *testing.T, id string, cases ...Case) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.Name, func(t *testing.T) {
			var config *encryptionconfig.Config
			if tt.Config != "" {
				config = Config(t, tt.Config)
			}
			f := Facts(config, Records(tt.Values)...)
			store := &f.Stores[0]
			store.CurrentKeyID, store.Remains, store.Scope.Copy, store.Scope.InUse, store.Damaged, store.Scope.Inexact = tt.KeyID, tt.Remains, tt.Copy, tt.InUse, tt.Damaged, tt.Inexact
			store.Scope.Outside = tt.Outside
			if tt.Layer != "" {
				store.Scope.Layer, store.Scope.Sources = tt.Layer, []record.Input{{Name: "db", Bytes: 1}}
			}
			r := Result(t, f, id)
			if r.Status != tt.Status || r.Count != tt.Count {
				t.Errorf("%v, count %d; want %v, %d: %s %s", r.Status, r.Count, tt.Status, tt.Count, r.Summary, r.Reason)
			}
			if said := r.Summary + r.Reason; !strings.Contains(said, tt.Says) {
				t.Errorf("does not say %q: %s", tt.Says, said)
			}
			if r.Status.Finding() != (r.Remedy != "") {
				t.Errorf("status %v with remedy %q", r.Status, r.Remedy)
			}
		})
	}
}
