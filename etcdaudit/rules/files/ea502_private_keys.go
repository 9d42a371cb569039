package files

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func privateKeys() check.Rule[facts.Facts] {
	return ofKept(check.Rule[kept]{
		ID: "EA-502", Title: "Private keys can be read by root and their programs only", Severity: check.High,
		Why:   "a user who reads a key is what its certificate says: a member of etcd, the API server, with a CA's key anyone",
		Reads: "owner, group and mode of every private key that a configuration names or that is in the control plane's directories, beside the uids of the processes; directories on the way that others cannot enter count",
		Needs: []check.Need[kept]{inspected}, Run: judgeKeyFile,
	}, func(k facts.Kept) bool { return k.Use == facts.KeyUse }, "no private key")
}

func judgeKeyFile(k kept) []check.Result {
	r := k.read()
	if r.Status == check.Pass && k.File.Mode.Perm()&0o077 != 0 {
		r.Summary += "; the letter of CIS 1.1.21 asks for 0600"
	}
	return []check.Result{r}
}
