package files

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func notWritten() check.Rule[facts.Facts] {
	return ofKept(check.Rule[kept]{
		ID: "EA-503", Title: "What decides on trust and start can be changed by root and its program only", Severity: check.High,
		Why:   "a user who writes a manifest or a unit runs any program as root; one who writes a CA decides whom etcd trusts; one who writes the EncryptionConfiguration switches encryption off",
		Reads: "owner, group and mode of certificates, CAs, manifests, units, environment and configuration files, EncryptionConfigurations without keys, audit policies and folders of snapshots; files with secrets are EA-502's and EA-505's",
		Needs: []check.Need[kept]{inspected}, Run: judgeWriters,
	}, func(k facts.Kept) bool { return k.Secret == "" }, "no certificate, manifest, unit or configuration")
}

func judgeWriters(k kept) []check.Result {
	r := k.written()
	if r.Status == check.Pass && k.Use == facts.ManifestUse && k.File.Mode.Perm()&0o077 != 0 {
		r.Summary += "; the letter of CIS 1.1.7 asks for 0600"
	}
	return []check.Result{r}
}
