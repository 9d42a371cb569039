package config

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func encryptionConfigured() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-423", Title: "The API server has an EncryptionConfiguration that encrypts Secrets", Severity: check.High,
		Why:   "without one Secrets are plaintext in etcd, in its backups and on its disks",
		Reads: "--encryption-provider-config, and the providers of Secrets in that file, with the API server's own rules: the first provider writes",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeEncryption),
	}
}

func judgeEncryption(s apiServer) check.Result {
	evidence := s.given("encryption-provider-config")
	e := s.Encryption
	if e == nil || s.Config.EncryptionConfig == "" {
		do := fix.APIServer(s.host, s.APIServer, "encryption-provider-config=FILE")
		if k := s.host.Setup.Kind; k == facts.K3s || k == facts.RKE2 {
			do = fmt.Sprintf("set secrets-encryption: true in /etc/rancher/%s/config.yaml on every server, restart them, then rewrite the Secrets (secrets-encrypt rotate-keys)", map[facts.SetupKind]string{facts.K3s: "k3s", facts.RKE2: "rke2"}[k])
		}
		return with(check.Failed("", "no EncryptionConfiguration: Secrets are written as plaintext", do), evidence)
	}
	if e.Config == nil {
		return with(check.Unevaluated("", fmt.Sprintf("%s: %s", e.Path, e.Err), "run etcdaudit as root; where the file is refused, correct it"), evidence)
	}
	rule, _ := e.Config.For(apiresource.Of("secrets"))
	if !rule.Encrypts() {
		why := "no entry names Secrets"
		if rule.Entry != "" {
			why = "identity stands first (entry " + term.Printable(rule.Entry) + ")"
		}
		return with(check.Failed("", e.Path+": "+why+", so new Secrets are written as plaintext", "name secrets in it and put an encrypting provider before identity"), evidence)
	}
	return with(check.Passed("", fmt.Sprintf("new Secrets are written by %s (%s, entry %s)", term.Printable(rule.Providers[0].String()), e.Path, term.Printable(rule.Entry))), evidence)
}
