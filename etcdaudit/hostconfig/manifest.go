package hostconfig

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// pod is what matters here of a static pod. Unknown fields and duplicates are taken as the
// kubelet takes them, which converts YAML with the same library.
type pod struct {
	Kind string `json:"kind"`
	Spec struct {
		Containers []container `json:"containers"`
		Volumes    []struct {
			Name     string `json:"name"`
			HostPath *struct {
				Path string `json:"path"`
			} `json:"hostPath"`
		} `json:"volumes"`
	} `json:"spec"`
}

type container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
	Env     []struct {
		Name      string `json:"name"`
		Value     string `json:"value"`
		ValueFrom any    `json:"valueFrom"`
	} `json:"env"`
	EnvFrom      []any `json:"envFrom"`
	VolumeMounts []struct {
		Name      string `json:"name"`
		MountPath string `json:"mountPath"`
		SubPath   string `json:"subPath"`
	} `json:"volumeMounts"`
}

// parseManifest returns the etcds and API servers of a static pod.
func parseManifest(source string, text []byte) ([]start, error) {
	var p pod
	if err := boundedyaml.Unmarshal(text, &p); err != nil {
		// The library's errors quote what they found, which may be a password.
		return nil, fmt.Errorf("not a pod in YAML%s", position(err))
	}
	if p.Kind != "Pod" {
		return nil, nil
	}
	var starts []start
	for _, c := range p.Spec.Containers {
		if s, ok := c.start(p); ok {
			s.source, s.looked[0].Source = source, source
			if found := s.looked[0].Found; len(found) > 0 {
				s.secrets = map[string]string{source: found[0].Name}
			}
			starts = append(starts, s)
		}
	}
	return starts, nil
}

// position returns where an error of the YAML library is, ", near line 3", or that the
// document is too large.
func position(err error) string {
	if large, ok := errors.AsType[boundedyaml.TooLargeError](err); ok {
		return ": " + large.Error()
	}
	if line := regexp.MustCompile(`line \d+`).FindString(err.Error()); line != "" {
		return ", near " + line
	}
	return ""
}

func (c container) start(p pod) (s start, ok bool) {
	words := append(append([]string{}, c.Command...), c.Args...)
	command := words
	image := path.Base(c.Image)
	switch program := programOf(words); {
	case program != "":
		s.program, words = program, words[1:]
	case len(c.Command) > 0 && startedByShell(c.Command):
		if s.program = programInShell(words); s.program == "" {
			return s, false
		}
		s.unknown, words = "a shell starts it: its arguments are known of the running process only", nil
	case len(c.Command) == 0 && strings.HasPrefix(image, "etcd:"):
		s.program = etcdProgram // the image's own command
	case len(c.Command) == 0 && strings.HasPrefix(image, pluginProgram):
		s.program = pluginProgram
	default:
		return s, false
	}
	env := c.environment(&s)
	for _, word := range words {
		s.args = append(s.args, expandVariables(word, env))
	}
	s.pod = true
	s.looked = []facts.Looked{c.look(s, command, env)}
	s.version = versionOfImage(c.Image)
	for _, m := range c.VolumeMounts {
		for _, v := range p.Spec.Volumes {
			if v.Name == m.Name && v.HostPath != nil {
				s.volumes = append(s.volumes, volume{inside: path.Clean(m.MountPath), host: path.Join(v.HostPath.Path, m.SubPath)})
			}
		}
	}
	return s, true
}

// environment sets those variables whose values stand in the manifest.
func (c container) environment(s *start) map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		if e.ValueFrom != nil {
			if s.program == etcdProgram && strings.HasPrefix(e.Name, "ETCD_") || uses(append(c.Command, c.Args...), e.Name) {
				s.unknown = fmt.Sprintf("the value of %s is taken from elsewhere (valueFrom): it is known of the running process only", e.Name)
			}
			continue
		}
		env[e.Name] = expandVariables(e.Value, env)
	}
	// Of a name that is there twice the container gets the last.
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if strings.HasPrefix(name, "ETCD_") {
			s.env = append(s.env, name+"="+env[name])
		}
	}
	if len(c.EnvFrom) > 0 && (s.program == etcdProgram || uses(append(c.Command, c.Args...), "")) {
		s.unknown = "its environment is taken from elsewhere (envFrom): it is known of the running process only"
	}
	return env
}

// look searches what the container gives its program.
func (c container) look(s start, command []string, env map[string]string) facts.Looked {
	args, missing := s.args, ""
	if s.args == nil { // a shell's
		for _, word := range command {
			args = append(args, expandVariables(word, env))
		}
		args, missing = searched(args)
	}
	if len(c.EnvFrom) > 0 {
		missing = "its environment is taken from elsewhere (envFrom), and was not searched"
	}
	l := look("", s.program, args, c.secrets(env))
	l.Missing = missing
	return l
}

// secrets are the variables of a container as they are searched for secrets. What is taken
// from a Secret (valueFrom) is one, whatever it is.
func (c container) secrets(env map[string]string) (pairs []string) {
	for name, value := range env {
		pairs = append(pairs, name+"="+value)
	}
	for _, e := range c.Env {
		if e.ValueFrom != nil {
			pairs = append(pairs, e.Name+"=taken from elsewhere")
		}
	}
	slices.Sort(pairs)
	return pairs
}

// uses reports whether words name a variable; any one for "".
func uses(words []string, name string) bool {
	if name != "" {
		name += ")"
	}
	return strings.Contains(strings.Join(words, " "), "$("+name)
}

// expandVariables replaces $(NAME) as the kubelet does: an unknown name stays as it is, and
// $$ is one $ (k8s.io/kubernetes third_party/forked/golang/expansion).
func expandVariables(text string, env map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		switch text[i+1] {
		case '$':
			b.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(text[i:], ')')
			if end < 0 {
				b.WriteString("$(")
				i++
				continue
			}
			name := text[i+2 : i+end]
			if value, ok := env[name]; ok {
				b.WriteString(value)
			} else {
				b.WriteString(text[i : i+end+1])
			}
			i += end
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

// versionOfImage returns "3.6.4" of "registry.k8s.io/etcd:3.6.4-0"; "" if the tag has none.
func versionOfImage(image string) string {
	if i := strings.IndexByte(image, '@'); i >= 0 {
		image = image[:i]
	}
	_, tag, _ := strings.Cut(path.Base(image), ":")
	return regexp.MustCompile(`^v?(\d+\.\d+\.\d+)`).ReplaceAllString(regexp.MustCompile(`^v?\d+\.\d+\.\d+`).FindString(tag), "$1")
}
