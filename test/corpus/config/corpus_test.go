package config

import (
	"sync"
	"testing"

	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestCorpus(t *testing.T) {
	c := clustertest.New(t, components.Etcd, components.Etcd36, components.Etcd35, components.APIServer)
	cases, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var judged []*Judged
	err = Judge(t.Context(), c, cases, func(j *Judged, err error) {
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		judged = append(judged, j)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range judged {
		for _, id := range j.Rules() {
			if d := j.Oracles[id]; !d.Agrees {
				t.Errorf("%s: %s is labelled %v, and an oracle says %s", j.Name, id, j.Expect[id], d.Said)
			}
			rule, err := Rule(id)
			if err != nil {
				t.Error(err)
				continue
			}
			if status, results := Verdict(rule, j.Facts); status != j.Expect[id] {
				t.Errorf("%s: %s is labelled %v (%s), and the rule says %v", j.Name, id, j.Expect[id], j.Oracles[id].Said, status)
				for _, r := range results {
					t.Logf("    %s: %v: %s%s", r.Target, r.Status, r.Summary, r.Reason)
				}
			}
		}
	}
}
