package hostconfig

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/boundedyaml"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// k3sSettings are those of k3s that matter here, by the names of their flags. Others, among
// them tokens, are not read.
type k3sSettings map[string][]string

// k3sNames returns the names of the settings that are read.
func k3sNames() []string {
	return []string{
		"config", "data-dir", "kube-apiserver-arg", "secrets-encryption", "disable-apiserver", "cluster-init", "server",
		"datastore-endpoint", "datastore-cafile", "datastore-certfile", "datastore-keyfile",
		"etcd-snapshot-dir", "etcd-disable-snapshots", "etcd-s3",
	}
}

func (c k3sSettings) last(name, ifAbsent string) string {
	if values := c[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ifAbsent
}

// k3sSettings lays k3s's sources over each other as k3s does: variables, then its
// configuration file with its drop-ins, then flags. The file's settings stand before the
// flags on one command line: of a single value the last counts, lists add up. A variable for
// the file counts before the flag (k3s-io/k3s, pkg/configfilearg/parser.go). unknown is why
// flags are missing.
func (r *reader) k3sSettings(process *hostfacts.Running, units []start) (c k3sSettings, source, unknown string) {
	flags, env := k3sSettings{}, k3sSettings{}
	args, variables, source, unknown := k3sCommand(process, units)
	flags.addFlags(args)
	for _, name := range k3sNames() {
		variable := "K3S_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		switch name {
		case "config":
			variable += "_FILE"
		case "server":
			variable = "K3S_URL"
		}
		for _, pair := range variables {
			if value, ok := strings.CutPrefix(pair, variable+"="); ok && value != "" {
				env[name] = []string{value}
			}
		}
	}
	file := env.last("config", flags.last("config", "/etc/rancher/k3s/config.yaml"))
	c = env
	inFiles, read := r.k3sFiles(file)
	for _, name := range k3sNames() {
		if given := slices.Concat(inFiles[name], flags[name]); len(given) > 0 {
			c[name] = given
		}
	}
	if len(read) > 0 {
		source = strings.Join(read, " + ")
	}
	return c, source, unknown
}

// k3sCommand returns the flags and the variables that k3s is started with. A running k3s
// hides its flags behind its title: they are those of its unit.
func k3sCommand(process *hostfacts.Running, units []start) (args, variables []string, source, unknown string) {
	if process != nil && len(process.Args) > 1 && process.Args[1] == "server" {
		args, source = process.Args[2:], fmt.Sprintf("process %d", process.PID)
	}
	i := slices.IndexFunc(units, func(s start) bool {
		return process != nil && slices.Contains(process.Units, s.unit) || process == nil && len(units) == 1
	})
	switch {
	case i >= 0:
		unit := units[i]
		if args == nil {
			args, source = unit.args, unit.source
		}
		return args, unit.env, source, unit.unknown
	case args != nil:
		return args, nil, source, ""
	}
	return nil, nil, "k3s's defaults", "the flags of k3s are not known: it is started by no unit that was found"
}

// addFlags reads flags as Go's package flag does. Of a flag that is not known here, a value
// that follows as a word of its own is passed over.
func (c k3sSettings) addFlags(args []string) {
	for i, arg := range args {
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch name {
		case "d":
			name = "data-dir"
		case "c":
			name = "config"
		case "s":
			name = "server"
		}
		if !strings.HasPrefix(arg, "-") || !slices.Contains(k3sNames(), name) {
			continue
		}
		switch {
		case given:
		case slices.Contains([]string{"secrets-encryption", "disable-apiserver", "cluster-init", "etcd-disable-snapshots", "etcd-s3"}, name):
			value = "true"
		case i+1 < len(args):
			value = args[i+1]
		}
		c[name] = append(c[name], value)
	}
}

// k3sFiles reads k3s's configuration file and its drop-ins. A later file replaces a key, or
// adds to it where the key ends with a plus sign.
func (r *reader) k3sFiles(file string) (c k3sSettings, read []string) {
	files := []string{file}
	entries, err := r.tree.ReadDir(file + ".d")
	if err != nil {
		r.unreadable(file+".d", err)
	}
	for _, e := range entries {
		if ext := path.Ext(e.Name()); ext == ".yaml" || ext == ".yml" {
			files = append(files, path.Join(file+".d", e.Name()))
		}
	}
	c = k3sSettings{}
	for _, name := range files {
		text, ok := r.text(name)
		if !ok {
			continue
		}
		var keys map[string]any
		if err := boundedyaml.Unmarshal(text, &keys); err != nil {
			r.missing(name, "not a configuration of k3s"+position(err), "")
			continue
		}
		read = append(read, name)
		for _, known := range k3sNames() {
			if v, ok := keys[known]; ok {
				c[known] = list(v)
			}
			if v, ok := keys[known+"+"]; ok {
				c[known] = append(c[known], list(v)...)
			}
		}
	}
	return c, read
}

// list returns the values of a key that may have one or several.
func list(v any) (all []string) {
	switch v := v.(type) {
	case nil:
	case []any:
		for _, one := range v {
			all = append(all, fmt.Sprint(one))
		}
	default:
		all = append(all, fmt.Sprint(v))
	}
	return all
}
