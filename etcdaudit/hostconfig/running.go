package hostconfig

import (
	"debug/buildinfo"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// The right that reading another user's process takes (ptrace(2)).
const inspectRight = "run as root, or with CAP_SYS_PTRACE"

// running finds the processes that are an etcd or an API server.
func (r *reader) running() (starts []start) {
	found, err := r.procs.Find(func(name string, args []string) bool {
		return programOf(args) != "" || programOf([]string{name}) != ""
	})
	if err != nil {
		if r.host.Live {
			r.missing("the processes of this host", err.Error(), "")
		}
		return nil
	}
	for _, p := range found {
		if s, ok := r.process(p); ok {
			starts = append(starts, s)
			r.read[fmt.Sprintf("process %d", p.PID)] = true
		}
	}
	return starts
}

// process says what a process is. Its executable decides, not its name: a script called
// etcd runs as a shell, and a wrapper has etcd's name among its words only.
func (r *reader) process(p hostfacts.Running) (s start, ok bool) {
	executable := strings.TrimSuffix(p.Executable, " (deleted)")
	words := p.Args
	if executable != "" {
		words = append([]string{executable}, p.Args[1:]...)
	}
	s = start{source: fmt.Sprintf("process %d", p.PID), program: programOf(words), process: &p, args: p.Args[1:]}
	build, err := buildinfo.ReadFile(r.procs.ExecutableOf(p.PID))
	if err == nil && !r.procs.Recorded {
		s.golang = build.GoVersion
		program, version := programOfBuild(build)
		if program == "" && s.program == etcdProgram {
			return s, false
		}
		if s.program == "" && programOf(p.Args) == program {
			s.program = program // a renamed file
		}
		s.version = version
	}
	if path.Base(words[0]) == "hyperkube" || path.Base(words[0]) == "kubelite" {
		s.args = s.args[min(1, len(s.args)):]
	}
	for _, variable := range p.Environment {
		if strings.HasPrefix(variable, "ETCD_") {
			s.env = append(s.env, variable)
		}
	}
	p.Environment = nil // it may hold passwords
	s.dir = p.Dir
	if len(p.Environment) == 0 && contains(p.Denied, "environ") && s.program == etcdProgram {
		s.unknown = "its environment may not be read: " + inspectRight
	}
	return s, s.program != ""
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// programOfBuild says what a Go binary is, and its release. Upstream's own builds have no
// release in their main module: etcd's is that of its api module, which stands beside it.
func programOfBuild(build *buildinfo.BuildInfo) (program, version string) {
	deps := map[string]string{}
	for _, d := range build.Deps {
		deps[d.Path] = d.Version
		if d.Replace != nil && d.Replace.Version != "" {
			deps[d.Path] = d.Replace.Version
		}
	}
	release := func(versions ...string) string {
		for _, v := range versions {
			if m := regexp.MustCompile(`^v(\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?)`).FindStringSubmatch(v); m != nil && !strings.HasPrefix(m[1], "0.") {
				return m[1]
			}
		}
		return ""
	}
	const server, kubernetes = "go.etcd.io/etcd/server/v3", "k8s.io/kubernetes"
	_, hasServer := deps[server]
	_, hasKubernetes := deps[kubernetes]
	switch {
	case build.Main.Path == kubernetes || hasKubernetes:
		version = release(build.Main.Version, deps[kubernetes])
		for _, s := range build.Settings {
			if m := regexp.MustCompile(`component-base/version\.gitVersion=v?(\d+\.\d+\.\d+)`).FindStringSubmatch(s.Value); m != nil {
				version = m[1]
			}
		}
		return apiServerProgram, version
	case build.Main.Path == server || hasServer:
		return etcdProgram, release(deps[server], deps["go.etcd.io/etcd/api/v3"], build.Main.Version)
	case build.Main.Path == "go.etcd.io/etcd" || build.Main.Path == "go.etcd.io/etcd/v3": // 3.4
		return etcdProgram, release(build.Main.Version)
	}
	return "", ""
}

// facts returns what the report says of a process.
func (s start) facts() *facts.Process {
	p := s.process
	if p == nil {
		return nil
	}
	out := &facts.Process{PID: p.PID, Executable: p.Executable, Version: s.version, Go: s.golang, Started: p.Started, UID: p.UID, GID: p.GID}
	for _, denied := range p.Denied {
		out.Missing = append(out.Missing, facts.Missing{What: denied + " of process " + fmt.Sprint(p.PID), Why: "permission denied", Do: inspectRight})
	}
	return out
}
