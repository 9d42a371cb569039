package files

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func secretsClosed() check.Rule[facts.Facts] {
	return ofKept(check.Rule[kept]{
		ID: "EA-505", Title: "Files with credentials, keys or data are closed to others", Severity: check.High,
		Why:   "a snapshot has all data of the cluster in it, deleted values among them; an EncryptionConfiguration the keys to it; a kubeconfig, a token or a secret-id lets its reader in",
		Reads: "owner, group and mode of EncryptionConfigurations with keys, kubeconfigs and tokens, snapshots, the KMS plugin's credentials and state, and of manifests, units and environment files in which a secret stands (EA-509); directories on the way that others cannot enter count",
		Needs: []check.Need[kept]{inspected}, Run: judgeSecretFile,
	}, func(k facts.Kept) bool { return k.Secret != "" && k.Use != facts.KeyUse && k.Use != facts.DataUse }, "no file with a secret")
}

func judgeSecretFile(k kept) []check.Result {
	r := k.read()
	if r.Status.Finding() {
		r.Summary += "; " + k.Secret
	}
	return []check.Result{r}
}
