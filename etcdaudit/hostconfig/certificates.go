package hostconfig

import (
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// mostCertificateFiles bounds how many files are searched for certificates.
const mostCertificateFiles = 1000

// certificateDirs are where a control plane keeps certificates and kubeconfigs. Directories
// of the files that a configuration names are added to them.
func (r *reader) certificateDirs() []string {
	dirs := []string{
		"/etc/kubernetes", "/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd", "/etc/kubernetes/ssl", "/etc/kubernetes/ssl/etcd",
		"/var/lib/kubelet", "/var/lib/kubelet/pki", "/etc/etcd", "/etc/etcd/pki", "/etc/ssl/etcd/ssl", "/srv/kubernetes", "/root/.kube",
		"/etc/rancher/rke2", "/etc/rancher/k3s",
	}
	for _, dir := range r.rancherDirs() {
		for _, name := range []string{"server/tls", "server/tls/etcd", "server/cred", "agent"} {
			dirs = append(dirs, path.Join(dir, name))
		}
	}
	return dirs
}

// certificates collects those of the host, and which of them have their keys here.
func (r *reader) certificates() {
	var found []facts.Certificate
	files := 0
	seen := map[string]bool{}
search:
	for _, dir := range r.searched() {
		resolved, err := r.tree.Resolve(dir)
		if err != nil || seen[resolved] {
			if err != nil {
				r.unreadable(dir, err)
			}
			continue
		}
		seen[resolved] = true
		entries, err := r.tree.ReadDir(dir)
		if err != nil {
			r.unreadable(dir, err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if e.IsDir() || !mayHoldCertificates(e.Name()) {
				continue
			}
			// The kubelet's current certificate is a link beside its target.
			target, err := r.tree.Resolve(name)
			if err != nil || seen[target] || r.tree.Stat(target).Mode.IsDir() {
				continue // a link to a directory is searched where that is listed
			}
			seen[target] = true
			if files++; files > mostCertificateFiles {
				r.missing("certificates in "+dir+" and what follows", "more than 1000 files were searched", "")
				break search
			}
			found = append(found, r.certificatesIn(name, target)...)
		}
	}
	r.finishKeys(found)
	r.host.Certificates = found
}

func mayHoldCertificates(name string) bool {
	return slices.Contains([]string{".crt", ".pem", ".cert", ".cer", ".key", ".conf", ".kubeconfig", ".yaml", ""}, path.Ext(name)) && !strings.HasPrefix(name, ".")
}

// ofTheSystem reports whether a directory has the CAs that the distribution trusts, which are
// none of the control plane's.
func ofTheSystem(dir string) bool {
	return slices.ContainsFunc([]string{"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"}, func(of string) bool {
		return dir == of || strings.HasPrefix(dir, of+"/")
	})
}

// searched returns the directories to search, those of the named files among them.
func (r *reader) searched() []string {
	dirs := r.certificateDirs()
	usual := len(dirs)
	add := func(files map[string]facts.File) {
		for _, f := range files {
			if dir := path.Dir(f.At); f.Exists && f.Mode.IsRegular() && len(f.Certificates) > 0 && !ofTheSystem(dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	for _, e := range r.host.Etcds {
		add(e.Files)
	}
	for _, a := range r.host.APIServers {
		add(a.Files)
	}
	slices.Sort(dirs[usual:])
	return dirs
}

// certificatesIn reads one file: PEM, or a kubeconfig with PEM in it. target is where links
// lead from it.
func (r *reader) certificatesIn(name, target string) (found []facts.Certificate) {
	text, o, err := r.tree.ReadFile(name, longestText)
	if err != nil {
		r.unreadable(name, err)
		return nil
	}
	defer clear(text)
	about := inspected(name, o, text)
	add := func(pem []byte, inline bool) (keys bool) {
		for _, c := range hostfacts.Certificates(pem) {
			found = append(found, facts.Certificate{File: name, Certificate: c, Inline: inline})
		}
		return r.privateKeys(target, o.Path, pem)
	}
	keys := add(text, false)
	var users kubeconfig
	isKubeconfig, secret := false, ""
	if !keys && len(found) == 0 {
		if users, isKubeconfig, err = parseKubeconfig(text); err != nil {
			r.missing(name, "it may be a kubeconfig"+position(err), "")
		}
	}
	for _, u := range users.Users {
		add(decoded(u.User.Cert), true)
		key := decoded(u.User.Key)
		add(key, true)
		clear(key)
		if u.secret() {
			secret = "it has the credentials of a user"
		}
	}
	switch {
	case isKubeconfig:
		r.keep(facts.KubeconfigUse, name, secret)
	case keys:
		r.keep(facts.KeyUse, name, isPrivateKey)
	case len(found) > 0:
		r.keep(facts.CertificateUse, name, "")
	}
	if len(found) > 0 || keys || isKubeconfig {
		r.read[name] = true
		r.inspected[name] = about
	}
	return found
}
