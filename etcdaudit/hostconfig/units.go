package hostconfig

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// unitDirs are where systemd looks for units, the first one wins (systemd.unit(5)).
func unitDirs() []string {
	return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
}

// units finds the services that start an etcd or an API server.
func (r *reader) units() (starts []start) {
	seen := map[string]bool{}
	for _, dir := range unitDirs() {
		entries, err := r.tree.ReadDir(dir)
		if err != nil {
			r.unreadable(dir, err)
		}
		for _, e := range entries {
			unit := e.Name()
			if !strings.HasSuffix(unit, ".service") || seen[unit] || e.IsDir() {
				continue
			}
			seen[unit] = true
			if s, ok := r.unit(path.Join(dir, unit), unit); ok {
				starts = append(starts, s)
			}
		}
	}
	return starts
}

// unit reads one unit with its drop-ins.
func (r *reader) unit(file, unit string) (s start, ok bool) {
	if target, err := r.tree.Resolve(file); err != nil || target == "/dev/null" {
		return s, false // masked, or a link that leads nowhere
	}
	text, _, err := r.tree.ReadFile(file, longestText)
	if err != nil {
		if mayBeOurs(unit) {
			r.unreadable(file, err)
		}
		return s, false
	}
	if !mayBeOurs(string(text)) && !mayBeOurs(unit) {
		return s, false // most units have nothing to do with it
	}
	svc, read := r.withDropIns(file, text, unit)
	if s, ok = r.service(svc, unit); !ok {
		return s, false
	}
	for _, name := range read {
		r.read[name] = true
	}
	s.source, s.unit = strings.Join(read, " + "), unit
	s.looked[0].Source = s.source
	s.secrets = r.secretsOfUnit(svc, unit, read)
	return s, true
}

// withDropIns returns what a unit and its drop-ins set together, and their files.
func (r *reader) withDropIns(file string, text []byte, unit string) (svc service, read []string) {
	options := parseUnit(string(text))
	read = []string{file}
	for _, dropIn := range r.dropIns(unit) {
		if more, ok := r.text(dropIn); ok {
			read = append(read, dropIn)
			options = append(options, parseUnit(string(more))...)
		}
	}
	return newService(options), read
}

func mayBeOurs(text string) bool {
	return slices.ContainsFunc([]string{"etcd", "kube-apiserver", "k3s", "rke2", pluginProgram}, func(name string) bool { return bytes.Contains([]byte(text), []byte(name)) })
}

// dropIns returns a unit's files NAME.d/*.conf in the order of their names. One in a
// directory that comes first hides those of the same name.
func (r *reader) dropIns(unit string) (files []string) {
	byName := map[string]string{}
	for _, dir := range unitDirs() {
		dir = path.Join(dir, unit+".d")
		entries, err := r.tree.ReadDir(dir)
		if err != nil {
			r.unreadable(dir, err)
		}
		for _, e := range entries {
			if _, hidden := byName[e.Name()]; !hidden && strings.HasSuffix(e.Name(), ".conf") {
				byName[e.Name()] = path.Join(dir, e.Name())
			}
		}
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		files = append(files, byName[name])
	}
	return files
}

// command is a service's command with what goes with it.
type command struct {
	line  string // of ExecStart, with its specifiers put in
	words []string
	// env are the variables that the unit and its environment files set, own those that stand in
	// the unit, and files the environment files.
	env   map[string]string
	own   []string
	files []environmentFile
	// unknown is why words and env are not wholly known; unsearched is why env is not.
	unknown, unsearched string
}

// environmentFile is a file of EnvironmentFile= with its variables.
type environmentFile struct {
	name  string
	pairs []string
}

// command returns the command of a service. ok is false if there is none that is understood.
func (r *reader) command(svc service, unit string) (c command, ok bool) {
	c = r.environment(svc, unit)
	line, known := specifiers(svc.command, unit, r.host.Node)
	words, err := expandCommand(line, c.env)
	if err != nil || len(words) == 0 {
		return c, false
	}
	c.line, c.words = line, words
	if !known {
		c.unknown = "the unit's ExecStart has a specifier that is not understood"
	}
	return c, true
}

// environment returns what a service sets before its command is looked at.
func (r *reader) environment(svc service, unit string) (c command) {
	c.env = map[string]string{}
	for _, line := range svc.environment {
		line, known := specifiers(line, unit, r.host.Node)
		words, err := splitWords(line)
		if err != nil || !known {
			c.unsearched = "an Environment= of the unit is not understood"
			continue
		}
		c.set(words)
		c.own = append(c.own, words...)
	}
	for _, name := range svc.environmentFiles {
		name, known := specifiers(name, unit, r.host.Node)
		name, optional := strings.CutPrefix(name, "-")
		text, err := r.textOf(name)
		switch {
		case err == nil:
			f := environmentFile{name, parseEnvironmentFile(string(text))}
			c.set(f.pairs)
			c.files = append(c.files, f)
		case !known || strings.ContainsAny(name, "*?["):
			c.unsearched = "the unit's EnvironmentFile=" + name + " is not looked for"
		case !optional || !errors.Is(err, fs.ErrNotExist):
			c.unsearched = "the unit's EnvironmentFile=" + name + " cannot be read: " + reason(err)
		}
	}
	c.unknown = c.unsearched
	return c
}

func (c command) set(pairs []string) {
	for _, pair := range pairs {
		if name, value, ok := strings.Cut(pair, "="); ok {
			c.env[name] = value
		}
	}
}

// environmentFile is the last file of a service that sets variables of etcd; empty for none. It
// counts before what the unit sets itself.
func (r *reader) environmentFile(svc service, unit string) string {
	for _, name := range slices.Backward(svc.environmentFiles) {
		name, _ := specifiers(name, unit, r.host.Node)
		name = strings.TrimPrefix(name, "-")
		text, err := r.textOf(name)
		if err == nil && slices.ContainsFunc(parseEnvironmentFile(string(text)), func(pair string) bool { return strings.HasPrefix(pair, "ETCD_") }) {
			return name
		}
	}
	return ""
}

// service says what a service starts.
func (r *reader) service(svc service, unit string) (s start, ok bool) {
	c, ok := r.command(svc, unit)
	if !ok {
		return s, false
	}
	words := c.words
	s.unknown, s.looked = c.unknown, c.look(unit)
	for _, f := range c.files {
		s.variables = append(s.variables, f.name)
	}
	s.environmentFile = r.environmentFile(svc, unit)
	if startedByShell(words) {
		s.program = programInShell(words[1:])
		s.unknown = "a shell starts it: its arguments are known of the running process only"
		return s, s.program != ""
	}
	s.program, s.args = programOf(words), words[1:]
	if s.program != "" {
		s.version = r.versionOfProgram(words[0])
	}
	prefix := "ETCD_"
	if name := path.Base(words[0]); (name == k3sProgram || name == rke2Program) && len(words) > 1 && words[1] == "server" {
		s.program, s.args, prefix = name, words[2:], strings.ToUpper(name)+"_"
	}
	for name, value := range c.env {
		if strings.HasPrefix(name, prefix) {
			s.env = append(s.env, name+"="+value)
		}
	}
	slices.Sort(s.env)
	s.dir, _ = specifiers(svc.dir, unit, r.host.Node)
	return s, s.program != ""
}
