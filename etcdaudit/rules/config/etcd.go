package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/internal/safeurl"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// etcd is one etcd of the node.
type etcd struct {
	*facts.Etcd
	host *facts.Host
}

// ofEtcd evaluates a rule for every etcd of the node.
func ofEtcd(r check.Rule[etcd]) check.Rule[facts.Facts] {
	all := check.ForEach(r, func(f facts.Facts) (subjects []check.Subject[etcd]) {
		for i := range f.Host.Etcds {
			e := &f.Host.Etcds[i]
			subjects = append(subjects, check.Subject[etcd]{
				// The name may hold a process id; the data directory is the same in each run.
				Target: e.Name, Identity: []string{f.Host.Node, "etcd", e.Config.DataDir},
				Facts: etcd{e, f.Host}, Evidence: []check.Evidence{started(e.Source, e.Process, "etcd "+e.Config.Release.String()+assumed(e.Config))},
			})
		}
		return subjects
	})
	all.Needs = []check.Need[facts.Facts]{need.Host, func(f facts.Facts) (check.Result, bool) { return noEtcd(f), len(f.Host.Etcds) > 0 }}
	return all
}

func assumed(c etcdconfig.Effective) string {
	if c.Assumed {
		return " (assumed)"
	}
	return ""
}

// started is what a configuration was read from.
func started(source string, p *facts.Process, what string) check.Evidence {
	if p == nil {
		return check.Evidence{Source: source, Seen: what + "; no process was read, and nothing says that this is in force"}
	}
	return check.Evidence{Source: source, Seen: fmt.Sprintf("%s; process %d, started %s", what, p.PID, p.Started.UTC().Format(time.RFC3339))}
}

// noEtcd says why no etcd was found on a node of the control plane.
func noEtcd(f facts.Facts) check.Result {
	const program = "etcd"
	if result, ok := need.NoKine(f.Host); !ok {
		return result
	}
	if m, ok := unreadFile(f.Host, program); ok {
		return unfound(program, m)
	}
	if i := slices.IndexFunc(f.Host.Setup.Visit, func(v string) bool { return strings.HasPrefix(v, "etcd") }); i >= 0 {
		return check.Unevaluated("", "no etcd is on this node: "+f.Host.Setup.Fact, need.Visit(f.Host))
	}
	if len(f.Host.Unread) > 0 {
		return unfound(program, f.Host.Unread[0])
	}
	return check.Unevaluated("", "no etcd was found on this node: "+f.Host.Setup.Fact, "run etcdaudit host on the node of each member, as root")
}

// unreadFile returns the file that would have shown how a program is started, by its name, if
// it could not be read.
func unreadFile(h *facts.Host, program string) (m facts.Missing, ok bool) {
	i := slices.IndexFunc(h.Unread, func(m facts.Missing) bool {
		name := path.Base(m.What)
		return strings.Contains(name, program) && slices.Contains([]string{".yaml", ".yml", ".json", ".manifest", ".service"}, path.Ext(name))
	})
	if i < 0 {
		return m, false
	}
	return h.Unread[i], true
}

func unfound(program string, m facts.Missing) check.Result {
	do := m.Do
	if do == "" {
		do = "correct it, or run etcdaudit host where " + program + " runs"
	}
	return check.Unevaluated("", fmt.Sprintf("no %s was found, and %s could not be read: %s", program, m.What, m.Why), do)
}

// understood is not met where nothing can be said of the configuration.
func understood(e etcd) (check.Result, bool) {
	return check.Unevaluated("", e.Config.NotEvaluated, "run etcdaudit as root"), e.Config.NotEvaluated == ""
}

// starts is not met where etcd would refuse its configuration: none of it is in force then.
func starts(e etcd) (check.Result, bool) {
	return check.Unevaluated("", "etcd would not start with this configuration (EA-408): "+e.Config.Refused, ""), e.Config.Refused == ""
}

// set is what settings are in force, with their origins.
func (e etcd) set(names ...string) (all []check.Evidence) {
	for _, s := range e.Config.Settings {
		if slices.Contains(names, s.Name) {
			all = append(all, check.Evidence{Source: s.Origin.Text, Seen: shown(s.Name + "=" + s.Value)})
		}
	}
	return all
}

// clients are the addresses for clients.
func (e etcd) clients() []string {
	return slices.Concat(e.Config.ListenClient, e.Config.ListenClientHTTP)
}

// one is the Run of a rule that has one result for each subject.
func one[F any](run func(F) check.Result) func(F) []check.Result {
	return func(f F) []check.Result { return []check.Result{run(f)} }
}

// with adds what a result rests on.
func with(r check.Result, evidence []check.Evidence) check.Result {
	r.Evidence = append(r.Evidence, evidence...)
	return r
}

// plain are the addresses that speak no TLS and are not sockets.
func plain(urls []string) []string {
	return filter(urls, func(u string) bool { return scheme(u) == "http" })
}

// secure are the addresses that speak TLS.
func secure(urls []string) []string {
	return filter(urls, func(u string) bool { return scheme(u) == "https" || scheme(u) == "unixs" })
}

// scheme is that of an address, in lower case: etcd and its clients take it in any.
func scheme(address string) string {
	before, _, _ := strings.Cut(address, ":")
	return strings.ToLower(before)
}

func filter(all []string, keep func(string) bool) (kept []string) {
	for _, s := range all {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

func join(all []string) string { return shown(strings.Join(all, ", ")) }

// shown is a text from a configuration as it may stand in a report: addresses are taken with
// credentials in them, by etcd's clients too.
func shown(text string) string { return term.Printable(safeurl.WithoutUserinfo(text)) }
