package hostconfig

import (
	"debug/buildinfo"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// The right that reading another user's process takes (ptrace(2)).
const inspectRight = "run as root, or with CAP_SYS_PTRACE"

// running finds the processes that are an etcd or an API server.
func (r *reader) running() (starts []start) {
	found, err := r.procs.Find(func(name string, args []string) bool {
		return mayBeProgram(path.Base(args[0])) || mayBeProgram(name)
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
	s = start{source: fmt.Sprintf("process %d", p.PID), program: programOf(words), process: &p, args: p.Args[1:], dir: p.Dir}
	if build, err := r.build(p.PID); err == nil {
		program, version := programOfBuild(build)
		switch {
		case s.program == etcdProgram && program == "":
			return s, false // a Go program of that name that is something else
		case s.program == "" && program == etcdProgram && build.Path == serverModule:
			s.program = program // etcd itself in a renamed file
		}
		s.version, s.golang = version, build.GoVersion
	}
	if path.Base(words[0]) == "hyperkube" {
		s.args = s.args[min(1, len(s.args)):]
	}
	for _, variable := range p.Environment {
		if strings.HasPrefix(variable, "ETCD_") {
			s.env = append(s.env, variable)
		}
	}
	s.looked = []facts.Looked{look(s.source, s.program, s.args, p.Environment)}
	if slices.Contains(p.Denied, "environ") {
		s.looked[0].Missing = "its environment may not be read: " + inspectRight
	}
	s.process.Environment = nil // it may hold passwords
	if slices.Contains(p.Denied, "environ") && s.program == etcdProgram {
		s.unknown = "its environment may not be read: " + inspectRight
	}
	return s, s.program != ""
}

// mayBeProgram reports whether a process of that name is looked at.
func mayBeProgram(name string) bool {
	return strings.Contains(name, etcdProgram) || strings.Contains(name, apiServerProgram) || name == "hyperkube" || name == pluginProgram
}

// build returns what is written in the program of a process.
func (r *reader) build(pid int) (*buildinfo.BuildInfo, error) {
	if r.procs.Recorded {
		return nil, fs.ErrNotExist
	}
	return buildinfo.ReadFile(r.procs.ExecutableOf(pid))
}

// versionOfProgram returns the release of a program that a unit names; "" where its file does
// not say.
func (r *reader) versionOfProgram(name string) string {
	found, err := r.tree.Resolve(name)
	if err != nil || !r.tree.Stat(found).Mode.IsRegular() {
		return ""
	}
	build, err := buildinfo.ReadFile(filepath.Join(r.tree.Root, found))
	if err != nil {
		return ""
	}
	_, version := programOfBuild(build)
	return version
}

const serverModule, kubernetesModule = "go.etcd.io/etcd/server/v3", "k8s.io/kubernetes"

// versionsOf returns the modules of a program and their versions.
func versionsOf(build *buildinfo.BuildInfo) map[string]string {
	versions := map[string]string{build.Main.Path: build.Main.Version}
	for _, d := range build.Deps {
		versions[d.Path] = d.Version
		if d.Replace != nil && d.Replace.Version != "" {
			versions[d.Path] = d.Replace.Version
		}
	}
	return versions
}

// releaseOf returns the first release among versions of modules, "3.7.3" of "v3.7.3-k3s1".
func releaseOf(versions ...string) string {
	release := regexp.MustCompile(`^v([1-9]\d*\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?)`)
	for _, v := range versions {
		if m := release.FindStringSubmatch(v); m != nil {
			return m[1]
		}
	}
	return ""
}

// programOfBuild says what a Go binary is, and its release. Upstream's own builds have no
// release in their main module: etcd's is that of its api module, which stands beside it,
// and Kubernetes' is given to the linker.
func programOfBuild(build *buildinfo.BuildInfo) (program, version string) {
	versions := versionsOf(build)
	if kubernetes, ok := versions[kubernetesModule]; ok {
		for _, s := range build.Settings {
			if m := regexp.MustCompile(`component-base/version\.gitVersion=(v\S+)`).FindStringSubmatch(s.Value); m != nil {
				kubernetes = m[1]
			}
		}
		return apiServerProgram, releaseOf(kubernetes)
	}
	if server, ok := versions[serverModule]; ok {
		return etcdProgram, releaseOf(server, versions["go.etcd.io/etcd/api/v3"])
	}
	for _, module := range []string{"go.etcd.io/etcd", "go.etcd.io/etcd/v3"} { // 3.4
		if old, ok := versions[module]; ok {
			return etcdProgram, releaseOf(old)
		}
	}
	return "", ""
}

// facts returns what the report says of a process.
func (s start) facts() *facts.Process {
	p := s.process
	if p == nil {
		return nil
	}
	out := &facts.Process{PID: p.PID, Executable: p.Executable, Version: s.version, Go: s.golang, Started: p.Started, UID: p.UID, GID: p.GID, Groups: p.Groups}
	for _, denied := range p.Denied {
		out.Missing = append(out.Missing, facts.Missing{What: denied + " of process " + fmt.Sprint(p.PID), Why: "permission denied", Do: inspectRight})
	}
	return out
}
