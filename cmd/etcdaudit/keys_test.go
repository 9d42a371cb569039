package main

import (
	"os"
	"path"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/stored"
)

// cases are stores and configurations with a known right answer.
const cases = "../../etcdaudit/rules/testdata/cases/"

// The keys of the given file are tried on what a real etcd holds, and neither
// they nor what they open are shown.
func TestTheKeysOfTheFileAreTriedAndNeverShown(t *testing.T) {
	for _, tt := range []struct {
		store, config string
		status        int
		says          []string
	}{
		{"a01-no-identity", "a01-no-identity.yaml", 1, []string{"EA-114", "default/bootstrap-token: protobuf, unreadable: identity is missing", "EA-101 (high): add identity as the last provider for secrets"}},
		{"a03b-one-left", "a03-rotated.yaml", 0, []string{"all 41 encrypted values opened with its keys", "secrets kube-system/serving-cert: aescbc key1, older key"}},
		{"a04b-two-nodes", "a04b-node-a.yaml", 1, []string{"default/by-node-b: aescbc key1, unreadable: the key of this name does not open it"}},
		{"a04b-two-nodes", "a04b-node-b.yaml", 1, []string{"default/by-node-a: aescbc key1, unreadable: the key of this name does not open it"}},
		{"a05-k3s-secretbox-one", "a05-k3s-secretbox-one.json", 1, []string{"default/left-under-the-removed-key", "unreadable: no provider or key of this name"}},
	} {
		t.Run(tt.store+" against "+tt.config, func(t *testing.T) {
			e := startEtcd(t)
			use(t, e)
			load(t, e, cases+tt.store+".store")
			config := readCase(t, tt.config)
			for _, output := range []string{"table", "json"} {
				status, out, errs := run(t, "scan", "--encryption-provider-config", path.Join(cases, tt.config), "--output", output)
				if status != tt.status || errs != "" {
					t.Errorf("%s: status %d, want %d; stderr %q", output, status, tt.status, errs)
				}
				for _, text := range tt.says {
					if output == "table" && !strings.Contains(out, text) {
						t.Errorf("does not say %q:\n%s", text, out)
					}
				}
				for _, word := range strings.FieldsFunc(config, func(r rune) bool { return strings.ContainsRune("{}[],:\" \n", r) }) {
					if len(word) == 44 && strings.Contains(out, word[:8]) {
						t.Errorf("%s: a key is shown", output)
					}
				}
				if strings.Contains(out, "passwordx") {
					t.Errorf("%s: plaintext is shown", output)
				}
			}
		})
	}
}

// load puts what a file holds into etcd.
func load(t *testing.T, e *cluster.Etcd, store string) {
	t.Helper()
	for _, rec := range stored.Load(t, store) {
		if _, err := e.Client().Put(t.Context(), string(rec.Key), string(rec.Value)); err != nil {
			t.Fatal(err)
		}
	}
}

func readCase(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(cases + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
