package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func etcdSettings() check.Rule[Nodes] {
	return check.Rule[Nodes]{
		ID: "EA-601", Title: "etcd has the same settings on all nodes", Severity: check.Medium,
		Why:   "clients reach each member: the weakest of them decides, and a difference is most often a change that one node has missed",
		Reads: "the effective settings of the members, without names, addresses and paths, which are each node's own",
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

// own reports whether a setting is each node's own. Which certificates and CAs the paths lead
// to is compared by other rules.
func own(program, name string) bool {
	exceptions := map[string][]string{
		etcd: {
			"name", "host-whitelist", "initial-cluster", "initial-cluster-state", "force-new-cluster", "data-dir", "wal-dir", "log-outputs", "config-file",
			"distributed-tracing-instance-id", "experimental-distributed-tracing-instance-id",
		},
		apiServer: {"advertise-address", "bind-address", "external-hostname", "etcd-servers", "peer-advertise-ip", "service-account-jwks-uri", "apiserver-count"},
	}
	if slices.Contains(exceptions[program], name) {
		return true
	}
	// Addresses of etcd; files of certificates and keys of both.
	for _, suffix := range []string{"-urls", "cert-file", "key-file", "certfile", "keyfile", "cafile", "ca-file", "crl-file", "client-certificate", "client-key", "private-key-file"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// settings compares all settings of a program: one result for each that differs.
func settings(nodes Nodes, name, remedy string) (results []check.Result) {
	programs, none := nodes.compared(name)
	if none != nil {
		return none
	}
	compared := 0
	for _, setting := range settingNames(programs) {
		if own(name, setting) {
			continue
		}
		var all []said
		for _, p := range programs {
			value, given := p.value(setting)
			if !given && name == etcd {
				continue // etcd's settings are complete: this release has none of that name
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
		return []check.Result{r}
	}
	return results
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

// byRelease reports whether nobody has written a setting and the releases differ: the
// difference is then that of the releases, which is told by another rule.
func byRelease(programs []program, name string) bool {
	written := func(p program) bool {
		return slices.ContainsFunc(p.config.Settings, func(s *auditv1.Setting) bool { return s.Name == name && !strings.HasPrefix(s.Origin, "default ") })
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
