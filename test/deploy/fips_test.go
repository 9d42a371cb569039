package deploy

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"strings"
	"testing"
	"time"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// With fips140=only every algorithm that FIPS 140-3 does not approve panics or
// fails, in every caller: TLS to Vault, the derivation of local KEKs, key_ids.
func TestTheFIPSBuildServesWhereNothingElseIsAllowed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	info := testkit.Must(buildinfo.ReadFile(binaries(t).Path(components.KMSPluginFIPS)))(t)
	built := map[string]string{}
	for _, s := range info.Settings {
		built[s.Key] = s.Value
	}
	if !strings.HasPrefix(built["GOFIPS140"], components.FIPSModule) || !strings.Contains(built["DefaultGODEBUG"], "fips140=on") {
		t.Fatalf("the binary was built with GOFIPS140=%q, DefaultGODEBUG=%q", built["GOFIPS140"], built["DefaultGODEBUG"])
	}
	c := newCluster(t)
	vault, role := startVault(ctx, t, c)
	for name, config := range map[string]map[string]any{
		"local": {"envelope": "local"},
		"vault": {"envelope": "vault"},
	} {
		t.Run("envelope "+name, func(t *testing.T) {
			p, err := c.StartPlugin(ctx, cluster.PluginOptions{
				Name: name, Vault: vault, Role: role, Key: keyName, Config: config, Env: []string{"GODEBUG=fips140=only"},
			})
			if err != nil {
				t.Fatal(err)
			}
			keyID := testkit.Must(p.KeyID(ctx))(t)
			seed := bytes.Repeat([]byte("seed"), 8)
			sealed := testkit.Must(p.KMS().Encrypt(ctx, &kms.EncryptRequest{Plaintext: seed, Uid: "one"}))(t)
			if sealed.GetKeyId() != keyID {
				t.Errorf("sealed under %s, Status says %s", sealed.GetKeyId(), keyID)
			}
			opened, err := p.KMS().Decrypt(ctx, &kms.DecryptRequest{
				Ciphertext: sealed.GetCiphertext(), KeyId: sealed.GetKeyId(), Annotations: sealed.GetAnnotations(), Uid: "two",
			})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(opened.GetPlaintext(), seed) {
				t.Error("what was opened is not what was sealed")
			}
			// A restart derives and unwraps the local KEKs anew.
			testkit.Check(t, p.Restart(ctx))
			testkit.Check(t, p.WaitServing(ctx))
		})
	}
}
