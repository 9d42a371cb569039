package data_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

// results are what became of values, by what follows /registry/ in their keys.
type results map[string]verify.Result

// openedFacts are of one store of a layer whose values were opened.
func openedFacts(layer record.Layer, all results, kinds map[string]string) facts.Facts {
	tally := verify.NewTally()
	values := stored.Values{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		values[key] = stored.KMSv2("p", "k1", 1)
		rec := stored.Record(key, values[key], 1)
		tally.Add(rec, all[key])
	}
	tally.Settle(nil, kinds)
	f := stored.Facts(nil, stored.Records(values)...)
	s := &f.Stores[0]
	s.Scope.Layer, s.Verified = layer, tally
	return f
}

// openedCase is what a rule must say, one result after the other.
type openedCase struct {
	name  string
	layer record.Layer // live if empty
	all   results
	kinds map[string]string
	edit  func(*facts.Store)

	statuses []check.Status
	count    int64 // of the first
	says     []string
	objects  []string // of the first
}

func runOpened(t *testing.T, id string, cases ...openedCase) {
	t.Helper()
	all := rules.All()
	i := slices.IndexFunc(all, func(r check.Rule[facts.Facts]) bool { return r.ID == id })
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			layer := tt.layer
			if layer == "" {
				layer = record.Live
			}
			f := openedFacts(layer, tt.all, tt.kinds)
			if tt.edit != nil {
				tt.edit(&f.Stores[0])
			}
			got := check.Evaluate(all[i:i+1], f)[0].Results
			var statuses []check.Status
			said := ""
			for _, r := range got {
				statuses = append(statuses, r.Status)
				said += r.Summary + r.Reason + "\n"
				if r.Status.Finding() && r.Remedy == "" {
					t.Errorf("no remedy for: %s", r.Summary)
				}
			}
			if !slices.Equal(statuses, tt.statuses) || got[0].Count != tt.count {
				t.Errorf("%v, count %d; want %v, %d: %s", statuses, got[0].Count, tt.statuses, tt.count, said)
			}
			for _, text := range tt.says {
				if !strings.Contains(said, text) {
					t.Errorf("does not say %q: %s", text, said)
				}
			}
			var objects []string
			for _, o := range got[0].Objects {
				objects = append(objects, o.Resource+" "+o.Namespace+"/"+o.Name+": "+o.Detail)
			}
			if !slices.Equal(objects, tt.objects) {
				t.Errorf("objects %q, want %q", objects, tt.objects)
			}
		})
	}
}

func opens() verify.Result { return verify.Result{Outcome: verify.Opened, Identity: verify.Same} }
