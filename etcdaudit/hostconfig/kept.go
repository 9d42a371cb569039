package hostconfig

import (
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// keep notes a file or directory whose rights matter. What does not exist is left out. A
// file that is named twice, or by links, has the users of both, and what makes it a secret
// counts.
func (r *reader) keep(use facts.Use, name, secret string, users ...facts.User) {
	if name != "" {
		r.keepIn(r.tree, path.Clean(name), use, secret, users...)
	}
}

func (r *reader) keepIn(tree hostfacts.Tree, in string, use facts.Use, secret string, users ...facts.User) {
	id := r.realName(tree, in)
	i, known := r.kept[id]
	if !known {
		o := tree.Stat(in)
		if !o.Exists && o.Err == "" {
			return
		}
		i = len(r.host.Kept)
		r.kept[id] = i
		r.host.Kept = append(r.host.Kept, facts.Kept{Path: shown(tree, in), Use: use, File: o.Path, Way: way(tree, in)})
	}
	k := &r.host.Kept[i]
	if k.Secret == "" && secret != "" {
		k.Secret = secret
		if k.Use != use && use == facts.KeyUse {
			k.Use = use // a certificate with its key in the same file
		}
	}
	for _, u := range users {
		if !slices.ContainsFunc(k.Users, func(known facts.User) bool { return known.Name == u.Name && known.UID == u.UID }) {
			k.Users = append(k.Users, u)
		}
	}
}

// keepOf is keep for a path that a program names.
func (r *reader) keepOf(s start, use facts.Use, name, secret string, user facts.User) {
	if name == "" {
		return
	}
	if host, ok := s.onHost(s.absolute(name)); ok && s.pod {
		r.keep(use, host, secret, user) // the way in the container begins at its mount
		return
	}
	if tree, in, err := r.place(s, name); err == nil {
		r.keepIn(tree, in, use, secret, user)
	}
}

// way returns every directory from the root to a file: those of its name, and those of where
// links lead. A directory that holds such a link matters as much as one that holds the file.
func way(tree hostfacts.Tree, in string) (all []facts.Directory) {
	named := path.Clean("/" + in)
	resolved, err := tree.Resolve(in)
	if err != nil {
		resolved = named
	}
	names := []string{named}
	if resolved != named {
		names = append(names, resolved)
	}
	for _, name := range names {
		for i, c := range name {
			dir := name[:i]
			if c != '/' {
				continue
			}
			if dir == "" {
				dir = "/"
			}
			if !slices.ContainsFunc(all, func(d facts.Directory) bool { return d.Name == shown(tree, dir) }) {
				beside := dir != "/" && !strings.HasPrefix(resolved, dir+"/")
				all = append(all, facts.Directory{Name: shown(tree, dir), Path: tree.Stat(dir).Path, Beside: beside})
			}
		}
	}
	return all
}

const (
	isPrivateKey = "it is a private key"
	hasAllData   = "it holds all data of the cluster"
)

func (r *reader) keepEtcd(s start, e *facts.Etcd) {
	user := facts.UserOf(e.Name, e.Process)
	for _, t := range []struct{ cert, key, ca, crl string }{
		{e.Config.Client.Cert, e.Config.Client.Key, e.Config.Client.TrustedCA, e.Config.Client.CRL}, {e.Config.Client.ClientCert, e.Config.Client.ClientKey, "", ""},
		{e.Config.Peer.Cert, e.Config.Peer.Key, e.Config.Peer.TrustedCA, e.Config.Peer.CRL}, {e.Config.Peer.ClientCert, e.Config.Peer.ClientKey, "", ""},
	} {
		r.keepOf(s, facts.KeyUse, t.key, isPrivateKey, user)
		for _, file := range []string{t.cert, t.ca, t.crl} {
			r.keepOf(s, facts.CertificateUse, file, "", user)
		}
	}
	r.keepOf(s, facts.ConfigUse, e.ConfigFile, "", user)
	for _, dir := range []string{e.Config.DataDir, e.Config.WALDir} {
		r.keepOf(s, facts.DataUse, dir, hasAllData, user)
	}
}

func (r *reader) keepAPIServer(s start, a *facts.APIServer) {
	user := facts.UserOf(a.Name, a.Process)
	c := a.Config
	all := func(name string) []string { return c.Given[name] }
	for _, key := range slices.Concat([]string{c.EtcdKey, c.TLSKey}, all("kubelet-client-key"), all("proxy-client-key-file"), all("service-account-signing-key-file")) {
		r.keepOf(s, facts.KeyUse, key, isPrivateKey, user)
	}
	for _, file := range slices.Concat([]string{c.EtcdCert, c.TLSCert, c.KubeletClientCert, c.EtcdCA, c.ClientCA}, all("proxy-client-cert-file"),
		all("requestheader-client-ca-file"), all("kubelet-certificate-authority"), all("service-account-key-file")) {
		r.keepOf(s, facts.CertificateUse, file, "", user)
	}
	secret := ""
	if a.Encryption != nil && slices.ContainsFunc(r.keys, func(k foundKey) bool { return k.File == a.Encryption.File.At && k.Name != "" }) {
		secret = "it has the keys that Secrets are encrypted with"
	}
	r.keepOf(s, facts.EncryptionUse, c.EncryptionConfig, secret, user)
	r.keepOf(s, facts.CredentialUse, c.TokenAuthFile, "it has tokens of users", user)
	r.keepOf(s, facts.KubeconfigUse, c.AuditWebhook, "it may have credentials for the audit webhook", user)
	for _, file := range slices.Concat([]string{c.AuthenticationConfig, c.AuthorizationConfig}, all("authorization-policy-file")) {
		r.keepOf(s, facts.ConfigUse, file, "", user)
	}
	r.keepOf(s, facts.AuditUse, c.AuditPolicy, "", user)
}

// keepStarts notes the files that say what is started and how. The kubelet and systemd read
// them, as root. One in which a secret was found is to be closed to others.
func (r *reader) keepStarts(starts []start) {
	for _, s := range starts {
		secret := func(file string) string {
			if name := s.secrets[file]; name != "" {
				return "the secret of " + name + " stands in it"
			}
			return ""
		}
		for _, file := range s.variables {
			r.keep(facts.VariablesUse, file, secret(file))
		}
		if s.process != nil && !s.inside {
			continue
		}
		for file := range strings.SplitSeq(s.source, " + ") {
			use := facts.ConfigUse
			switch {
			case s.pod:
				use = facts.ManifestUse
			case s.unit != "":
				use = facts.UnitUse
			}
			if path.IsAbs(file) {
				r.keep(use, file, secret(file))
			}
		}
	}
}

// keepUsual notes files with credentials that no configuration names.
func (r *reader) keepUsual() {
	for _, dir := range r.rancherDirs() {
		for _, name := range []string{"token", "node-token", "agent-token", "cred/passwd", "cred/ipsec.psk"} {
			r.keep(facts.CredentialUse, path.Join(dir, "server", name), "it lets nodes join the cluster, or users in")
		}
	}
	for _, file := range r.rancherConfigs() {
		if text, ok := r.text(file); ok && secretKeys(text) {
			r.keep(facts.ConfigUse, file, "it has a token or a password")
		} else {
			r.keep(facts.ConfigUse, file, "")
		}
	}
}
