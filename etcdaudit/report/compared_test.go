package report_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/golden"
)

// opensNew is a key that opens what ends with "new".
func opensNew(ciphertext, _ []byte) encryptionconfig.Trial {
	if bytes.HasSuffix(ciphertext, []byte("new")) {
		return encryptionconfig.Opened
	}
	return encryptionconfig.Refused
}

// compared is a store and a configuration that disagree in every way there is.
func compared(t *testing.T) *inventory.Inventory {
	t.Helper()
	key := "secret: " + base64.StdEncoding.EncodeToString(make([]byte, 32))
	file := t.TempDir() + "/encryption.yaml"
	text := `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox: {keys: [{name: "box:2", ` + key + `}, {name: "box:1", ` + key + `}]}
  - kms: {apiVersion: v2, name: sealproof, endpoint: "unix:///s"}
- resources: [configmaps]
  providers:
  - identity: {}
  - aesgcm: {keys: [{name: gcm, ` + key + `}]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	inv := inventory.New("/registry")
	var err error
	inv.Config, err = encryptionconfig.LoadWithKeys(file, func(_ storedvalue.Format, _ []byte) encryptionconfig.Opener { return opensNew })
	if err != nil {
		t.Fatal(err)
	}
	revision := int64(0)
	add := func(name string, value []byte) {
		revision++
		inv.Add([]byte("/registry/"+name), value, revision)
	}
	sealed := func(prefix, end string) []byte {
		return []byte("k8s:enc:" + prefix + ":" + strings.Repeat("x", 40) + end)
	}
	add("namespaces/default", []byte("k8s\x00"+canary))
	add("secrets/default/as-configured", sealed("secretbox:v1:box:2", "new"))
	add("secrets/default/older-key", sealed("secretbox:v1:box:1", "new"))
	add("secrets/default/older-provider", kmsV2("v1.00112233445566778899aabbccddeeff", 1, nil))
	add("secrets/default/plaintext", []byte("k8s\x00"+canary))
	for i := range 12 {
		add(fmt.Sprintf("secrets/default/removed-key-%02d", i), sealed("secretbox:v1:box:0", "new"))
	}
	add("secrets/default/same-name", sealed("secretbox:v1:box:1", "old"))
	add("configmaps/default/encrypted", sealed("aesgcm:v1:gcm", "new"))
	return inv
}

func TestAComparisonNamesWhatDoesNotAgree(t *testing.T) {
	r := build(compared(t), auditv1.Severity_SEVERITY_MEDIUM)
	r.Scope.EncryptionConfigFile = "/etc/kubernetes/enc/config.yaml"
	var table, js bytes.Buffer
	if err := report.Table(&table, r, false); err != nil {
		t.Fatal(err)
	}
	if err := report.JSON(&js, r); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "compared.txt", table.String(), *update)
	golden.Compare(t, "compared.json", js.String(), *update)
	for _, out := range []string{table.String(), js.String()} {
		if strings.Contains(out, canary) {
			t.Error("a part of a value is in the report")
		}
	}
}
