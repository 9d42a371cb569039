package hostconfig

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// The programs that are looked for.
const (
	etcdProgram      = "etcd"
	apiServerProgram = "kube-apiserver"
	k3sProgram       = "k3s" // its server has both in it
	rke2Program      = "rke2"
)

// start is one way in which a program is started: by a manifest, a unit or k3s, or as it
// runs.
type start struct {
	program string
	// source is the file, or "process 1234".
	source    string
	args, env []string
	// unknown is why args and env are not all that the program is given.
	unknown string
	version string // "3.6.4", if that is known
	pod     bool
	volumes []volume // of a pod
	unit    string   // the name of a systemd unit
	// environmentFile is the last of the unit's that sets variables of etcd.
	environmentFile string
	inside          bool   // inside k3s
	dir             string // the working directory
	process         *hostfacts.Running
	golang          string
	// variables are the environment files of a unit, looked is what was searched for secrets.
	variables []string
	looked    []facts.Looked
	// secrets are the files of source and variables in which a secret stands, each with the
	// name of that.
	secrets map[string]string
}

// volume is a directory or file of the host that a pod sees elsewhere.
type volume struct{ inside, host string }

// programOf says which program the words of a command start, "" for another one.
func programOf(words []string) string {
	if len(words) == 0 {
		return ""
	}
	// hyperkube holds all of Kubernetes and takes a program's name as its first word.
	name := path.Base(words[0])
	if name == "hyperkube" && len(words) > 1 {
		name = words[1]
	}
	switch {
	case name == pluginProgram:
		return pluginProgram
	case name == apiServerProgram || regexp.MustCompile(`^kube-apiserver[-_.]?v?[\d.]+$`).MatchString(name):
		return apiServerProgram
	case name == etcdProgram || regexp.MustCompile(`^etcd[-_.]?v?[\d.]+$`).MatchString(name):
		if len(words) > 1 && slices.Contains([]string{"grpc-proxy", "gateway"}, words[1]) {
			return "" // the same binary, but no member
		}
		return etcdProgram
	}
	return ""
}

func startedByShell(command []string) bool {
	return slices.Contains([]string{"sh", "bash", "ash", "dash"}, path.Base(command[0]))
}

// programInShell finds the name of a program in the text of a shell command.
func programInShell(words []string) string {
	for _, word := range strings.Fields(strings.Join(words, " ")) {
		if p := programOf([]string{strings.Trim(word, `"';&|()`)}); p != "" {
			return p
		}
	}
	return ""
}

// onHost returns the path on the host of a path in the program's own file system. A path
// of a pod that is on no volume is in its image.
func (s start) onHost(name string) (host string, ok bool) {
	if !s.pod {
		return name, true
	}
	best := volume{}
	for _, v := range s.volumes {
		within := v.inside == name || v.inside == "/" || strings.HasPrefix(name, v.inside+"/")
		if within && len(v.inside) > len(best.inside) {
			best = v
		}
	}
	if best.inside == "" {
		return "", false
	}
	return path.Join(best.host, strings.TrimPrefix(name, best.inside)), true
}
