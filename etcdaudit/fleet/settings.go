package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
)

func etcdSettings() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-601", Title: "etcd has the same settings on all nodes", Severity: check.Medium,
		Why:   "clients reach each member: the weakest of them decides, and a difference is most often a change that one node has missed",
		Reads: "the effective settings of the members, without names, addresses, directories and paths of certificates and keys, which are each node's own",
		Run: func(nodes Nodes) []check.Result {
			return settings(nodes, etcd, "set it in the same way on all members, and start them anew one after the other")
		},
	}
}

func apiServerFlags() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-602", Title: "kube-apiserver has the same flags on all nodes", Severity: check.Medium,
		Why:   "requests reach any API server: what one of them allows, or does not record, is allowed for the cluster",
		Reads: "the flags of the API servers, without addresses and paths of certificates and keys, which are each node's own",
		Run: func(nodes Nodes) []check.Result {
			return settings(nodes, apiServer, "give all API servers the same flag")
		},
	}
}

// ownSettings are each node's own: names, addresses and directories; and files whose contents
// are compared by the rules about CAs, certificates and keys. Everything else is compared.
func ownSettings(program string) []string {
	if program == etcd {
		return []string{
			"name", "host-whitelist", "initial-cluster", "initial-cluster-state", "force-new-cluster", "data-dir", "wal-dir", "log-outputs", "config-file",
			"distributed-tracing-instance-id", "experimental-distributed-tracing-instance-id",
			"listen-client-urls", "listen-client-http-urls", "listen-peer-urls", "listen-metrics-urls", "advertise-client-urls", "initial-advertise-peer-urls",
			"trusted-ca-file", "peer-trusted-ca-file", "cert-file", "key-file", "peer-cert-file", "peer-key-file",
		}
	}
	return []string{
		"advertise-address", "bind-address", "external-hostname", "etcd-servers", "peer-advertise-ip", "service-account-jwks-uri", "apiserver-count",
		"client-ca-file", "etcd-cafile", "requestheader-client-ca-file", "service-account-signing-key-file",
		"tls-cert-file", "tls-private-key-file", "etcd-certfile", "etcd-keyfile", "kubelet-client-certificate", "kubelet-client-key",
	}
}

// givenAlone are files whose path is each node's own, and whose contents no rule compares.
// That one node alone has such a file is a difference: a revocation list, or a provider of
// logins.
func givenAlone(program string) []string {
	if program == etcd {
		return []string{"client-crl-file", "peer-crl-file", "client-cert-file", "client-key-file", "peer-client-cert-file", "peer-client-key-file"}
	}
	return []string{"oidc-ca-file", "service-account-key-file", "proxy-client-cert-file", "proxy-client-key-file"}
}

// settings compares all settings of a program: one result for each that differs.
func settings(nodes Nodes, name, remedy string) (results []check.Result) {
	programs, apart := nodes.compared(name)
	if programs == nil {
		return apart
	}
	compared := 0
	for _, setting := range settingNames(programs) {
		if slices.Contains(ownSettings(name), setting) {
			continue
		}
		var all []said
		for _, p := range programs {
			value, given := p.value(setting)
			if !given && name == etcd {
				continue // etcd's settings are complete: this release has none of that name
			}
			if value != "" && slices.Contains(givenAlone(name), setting) {
				value = "a file"
			}
			all = append(all, said{p.node.Name, p.config.Source, value})
		}
		if len(all) < 2 || name == etcd && byRelease(programs, setting) {
			continue
		}
		compared++
		if r := verdict(name+" --"+setting, "--"+setting, all, remedy); r.Status != check.Pass {
			results = append(results, r)
		}
	}
	if results == nil {
		r := check.Passed(name, fmt.Sprintf("%d settings are the same on %s", compared, names(nodesOf(programs))))
		r.Identity = []string{"nodes", name}
		for _, p := range programs {
			r.Evidence = append(r.Evidence, check.Evidence{Source: p.node.Name + ", " + p.config.Source, Seen: fmt.Sprintf("%d settings", len(p.config.Settings))})
		}
		results = []check.Result{r}
	}
	return append(results, apart...)
}

func settingNames(programs []program) (all []string) {
	for _, p := range programs {
		for _, s := range p.config.Settings {
			all = append(all, s.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// byRelease reports whether a setting is written on no node and the releases differ: the
// difference is then that of the releases, which is told by another rule.
func byRelease(programs []program, name string) bool {
	written := func(p program) bool {
		s := p.settings[name]
		return s != nil && !strings.HasPrefix(s.Origin, "default ")
	}
	releases := slices.ContainsFunc(programs, func(p program) bool { return p.config.Release != programs[0].config.Release })
	return releases && !slices.ContainsFunc(programs, written)
}

func nodesOf(programs []program) (all []string) {
	for _, p := range programs {
		all = append(all, p.node.Name)
	}
	return all
}

func versions() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-603", Title: "etcd and kube-apiserver have the same version on all nodes", Severity: check.Low,
		Why:   "versions differ while a cluster is upgraded; where it stays so, one node has missed fixes, and etcd serves what its oldest member can",
		Reads: "the versions of the programs that run",
		Run: func(nodes Nodes) (results []check.Result) {
			for _, name := range []string{etcd, apiServer} {
				var all []said
				var unknown []string
				for _, n := range nodes {
					for _, c := range n.Report.Configurations {
						switch {
						case c.Program == name && c.Version != "":
							all = append(all, said{n.Name, c.Source, c.Version})
						case c.Program == name:
							unknown = append(unknown, n.Name)
						}
					}
				}
				switch {
				case len(all)+len(unknown) < 2:
				case len(unknown) > 0:
					r := check.Unevaluated(name, "the version is not known on "+names(unknown), "run etcdaudit where the program runs, as root")
					r.Expected = true
					results = append(results, r)
				default:
					results = append(results, verdict(name, "the version of "+name, all, "finish the upgrade on all nodes"))
				}
			}
			return results
		},
	}
}
