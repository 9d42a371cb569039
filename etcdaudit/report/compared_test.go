package report_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/golden"
	"github.com/sealproof/sealproof/test/stored"
)

// opensNew is a key that opens what ends with "new".
func opensNew(ciphertext, _ []byte) encryptionconfig.Trial {
	if bytes.HasSuffix(ciphertext, []byte("new")) {
		return encryptionconfig.Opened
	}
	return encryptionconfig.Refused
}

// compared is a store and a configuration that disagree in every way there is.
func compared(t *testing.T) (v values, config *encryptionconfig.Config) {
	t.Helper()
	file := t.TempDir() + "/encryption.yaml"
	text := stored.Head +
		stored.Entry("secrets", stored.Keys("secretbox", "box:2", "box:1"), stored.KMS("v2", "sealproof")) +
		stored.Entry("configmaps", stored.Identity, stored.Keys("aesgcm", "gcm"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := encryptionconfig.LoadWithKeys(file, func(string, string, []byte) encryptionconfig.Opener { return opensNew })
	if err != nil {
		t.Fatal(err)
	}
	v.add("namespaces/default", stored.Plaintext)
	v.add("secrets/default/as-configured", stored.Keyed("secretbox", "box:2", "new"))
	v.add("secrets/default/older-key", stored.Keyed("secretbox", "box:1", "new"))
	v.add("secrets/default/older-provider", stored.KMSv2("sealproof", oldKey, 1))
	v.add("secrets/default/plaintext", stored.Plaintext)
	for i := range 12 {
		v.add(fmt.Sprintf("secrets/default/removed-key-%02d", i), stored.Keyed("secretbox", "box:0", "new"))
	}
	v.add("secrets/default/same-name", stored.Keyed("secretbox", "box:1", "old"))
	v.add("secrets/default/torn", stored.Malformed)
	v.add("secrets/default/unknown", stored.Unknown)
	v.add("configmaps/default/encrypted", stored.Keyed("aesgcm", "gcm", "new"))
	return v, config
}

// The JSON is compared for this report only: every field is in it.
func TestAComparisonNamesWhatDoesNotAgree(t *testing.T) {
	v, config := compared(t)
	r := reported(t, v, func(_ *record.Scope, o *audit.Options) {
		o.Encryption, o.EncryptionFile = config, "/etc/kubernetes/enc/config.yaml"
	})
	table, js := written(t, r)
	golden.Compare(t, "compared.txt", table, *update)
	golden.CompareJSON(t, "compared.json", js, *update)
}
