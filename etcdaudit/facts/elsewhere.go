package facts

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/safeurl"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
)

// Scanned reports whether one of these addresses of an etcd is among those that were read.
func (f Facts) Scanned(servers []string) bool {
	for _, s := range f.Stores {
		for _, source := range s.Scope.Sources {
			if slices.ContainsFunc(servers, func(server string) bool { return authority(server) == authority(source.Name) }) {
				return true
			}
		}
	}
	return false
}

// SecretsElsewhere says in which etcd an API server of the node keeps its Secrets, if that
// is not its usual one (--etcd-servers-overrides) and was not read, and with which command it
// can be; both are empty if there is none.
func (f Facts) SecretsElsewhere() (where, scan string) {
	if f.Host == nil {
		return "", ""
	}
	for _, s := range f.servers() {
		if etcd := s.Config.Secrets(); etcd.Resource != "" && !f.Scanned(etcd.Servers) {
			where = fmt.Sprintf("%s keeps Secrets in %s (--etcd-servers-overrides)", s.Name, safeurl.WithoutUserinfo(strings.Join(etcd.Servers, ", ")))
			return where, s.scanOf(etcd)
		}
	}
	return "", ""
}

// scanOf is the command that reads an etcd as the API server does, on its node.
func (a APIServer) scanOf(etcd apiserverconfig.Etcd) string {
	command := "etcdaudit scan --endpoints " + safeurl.WithoutUserinfo(strings.Join(etcd.Servers, ","))
	for _, file := range []struct{ flag, path string }{{"cacert", a.Config.EtcdCA}, {"cert", a.Config.EtcdCert}, {"key", a.Config.EtcdKey}} {
		if file.path != "" {
			command += " --" + file.flag + " " + cmp.Or(a.Files[file.path].At, file.path)
		}
	}
	if p := a.Config.EtcdPrefix; p != "" && p != "/registry" {
		command += " --prefix " + p
	}
	return command
}

// servers are the API servers of the node that use an etcd that was read; all of them where
// no address shows which ones do.
func (f Facts) servers() (using []APIServer) {
	for _, s := range f.Host.APIServers {
		if slices.ContainsFunc(s.Config.Etcds, func(e apiserverconfig.Etcd) bool { return f.Scanned(e.Servers) }) {
			using = append(using, s)
		}
	}
	if len(using) == 0 {
		return f.Host.APIServers
	}
	return using
}

func authority(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}
