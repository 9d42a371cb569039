package hostconfig

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// combine pairs the running processes with what starts them, and reports both.
func (r *reader) combine(running, starts []start) {
	names := map[string]int{}
	unique := func(name string) string {
		if names[name]++; names[name] > 1 {
			return fmt.Sprintf("%s (%d)", name, names[name])
		}
		return name
	}
	add := func(s start, next *start) {
		name := unique(title(s))
		if s.program == etcdProgram {
			r.host.Etcds = append(r.host.Etcds, r.etcd(name, s, next))
		} else {
			r.host.APIServers = append(r.host.APIServers, r.apiServer(name, s, next))
		}
	}
	runs := map[*start]bool{}
	for _, p := range pair(running, starts) {
		add(p.running, p.start)
		runs[p.start] = true
	}
	for i := range starts {
		if s := starts[i]; !runs[&starts[i]] {
			// A package's own unit is often there and never enabled.
			if s.unit != "" && slices.ContainsFunc(running, func(p start) bool { return p.program == s.program }) {
				s.unknown = "no process runs this unit, and another one of the program runs"
			}
			add(s, nil)
		}
	}
}

func title(s start) string {
	switch {
	case s.inside && s.process != nil:
		return fmt.Sprintf("%s in k3s (pid %d)", s.program, s.process.PID)
	case s.process != nil:
		return fmt.Sprintf("%s (pid %d)", s.program, s.process.PID)
	}
	return s.program + " of " + s.source
}

type paired struct {
	running start
	start   *start
}

// pair finds for each process the manifest or unit that it was started from. The surest
// signs come first: its unit, the same arguments, then the only one that is left.
func pair(running, starts []start) (pairs []paired) {
	taken := make([]bool, len(starts))
	for _, p := range running {
		pairs = append(pairs, paired{running: p})
	}
	match := func(fits func(p start, s start) bool) {
		for i := range pairs {
			for j := range starts {
				if p := pairs[i].running; pairs[i].start == nil && !taken[j] && p.program == starts[j].program && possible(p, starts[j]) && fits(p, starts[j]) {
					pairs[i].start, taken[j] = &starts[j], true
				}
			}
		}
	}
	match(func(p, s start) bool { return s.unit != "" && slices.Contains(p.process.Units, s.unit) })
	match(func(p, s start) bool { return slices.Equal(p.args, s.args) })
	only := func(program string) bool {
		processes, left := 0, 0
		for _, p := range pairs {
			if p.running.program == program && p.start == nil {
				processes++
			}
		}
		for j, s := range starts {
			if s.program == program && !taken[j] {
				left++
			}
		}
		return processes == 1 && left == 1
	}
	for _, program := range []string{etcdProgram, apiServerProgram} {
		if only(program) {
			match(func(p, _ start) bool { return p.program == program })
		}
	}
	return pairs
}

// possible reports whether a process can have been started like this: a pod by no service, and
// a unit in no container (docker-ID.scope, cri-containerd-ID.scope).
func possible(p, s start) bool {
	in := func(suffix string) bool {
		return slices.ContainsFunc(p.process.Units, func(u string) bool { return strings.HasSuffix(u, suffix) })
	}
	return !(s.pod && in(".service")) && !(s.unit != "" && in(".scope"))
}

// etcd reports one etcd. next is what a new start would use, nil if that is not known.
func (r *reader) etcd(name string, s start, next *start) (e facts.Etcd) {
	e = facts.Etcd{Name: name, Source: s.source, Process: s.facts(), Files: map[string]facts.File{}, EnvironmentFile: s.environmentFile}
	if next != nil {
		e.Source, e.EnvironmentFile = next.source, next.environmentFile
		s.pod, s.volumes = next.pod, next.volumes
		if s.version == "" {
			s.version = next.version
		}
		if e.Process != nil && e.Process.Version == "" {
			e.Process.Version = next.version
		}
	}
	e.Config, e.ConfigFile = r.effective(s)
	if next != nil && s.process != nil {
		again := *next
		if again.version == "" { // a unit has none: the program is the one that runs
			again.version = s.version
		}
		if after, _ := r.effective(again); differ(e.Config, after) {
			e.Manifest = &after
		}
	}
	if s.process != nil {
		e.Bound = r.bound(s, e.Process)
	}
	r.etcdFiles(s, &e)
	r.keepEtcd(s, &e)
	return e
}

func (r *reader) etcdFiles(s start, e *facts.Etcd) {
	add := func(name string, as role, certificate string) {
		if name != "" {
			if _, done := e.Files[name]; !done || as == keyFile {
				e.Files[name] = r.file(s, name, as, certificate)
			}
		}
	}
	for _, t := range []etcdconfig.TLS{e.Config.Client, e.Config.Peer} {
		add(t.Cert, certificateFile, "")
		add(t.Key, keyFile, t.Cert)
		add(t.ClientCert, certificateFile, "")
		add(t.ClientKey, keyFile, t.ClientCert)
		add(t.TrustedCA, caFile, "")
		add(t.CRL, crlFile, "")
	}
	add(e.ConfigFile, plainFile, "")
	add(e.Config.DataDir, plainFile, "")
	add(e.Config.WALDir, plainFile, "")
}

// bound returns the addresses that a process listens on.
func (r *reader) bound(s start, p *facts.Process) (all []facts.Bound) {
	found, err := r.procs.Listening(s.process.PID)
	if err != nil {
		do := ""
		if doFor(err) != "" {
			do = inspectRight
		}
		p.Missing = append(p.Missing, facts.Missing{What: fmt.Sprintf("open sockets of process %d", p.PID), Why: reason(err), Do: do})
		return nil
	}
	for _, l := range found {
		all = append(all, facts.Bound{Address: l.Address, Shared: l.Shared})
	}
	return all
}
