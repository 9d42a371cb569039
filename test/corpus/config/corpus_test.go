package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestOracles(t *testing.T) {
	c := clustertest.New(t, components.Etcd, components.Etcd36, components.Etcd35)
	cases, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	pki := filepath.Join(c.Dir(), "pki")
	if err := os.Mkdir(pki, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writePKI(pki); err != nil {
		t.Fatal(err)
	}
	oracles := etcdOracles()
	for _, cs := range cases {
		if cs.Etcd == nil {
			continue
		}
		t.Run(cs.Name, func(t *testing.T) {
			t.Parallel()
			l, err := startEtcd(t.Context(), c, pki, cs)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range cs.Rules() {
				ask, label := oracles[id], cs.Expect[id]
				if ask == nil {
					if cs.By[id] == "" {
						t.Errorf("%s %v: nothing decides the label", id, label)
					}
					continue
				}
				o, said, err := ask(t.Context(), l)
				if err != nil {
					t.Errorf("%s: %v", id, err)
				} else if !o.allows(label) {
					t.Errorf("%s: the label is %v, the oracle says %v: %s", id, label, o, said)
				} else {
					t.Logf("%s %v: %s", id, label, said)
				}
			}
		})
	}
}
