package hostconfig

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/boundedyaml"
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

// settle lays the sources of k3s's settings over each other as k3s does: variables, then its
// configuration file with its drop-ins, then flags. The file's settings stand before the flags
// on one command line: of a single value the last counts, lists add up. A variable for the file
// counts before the flag (k3s-io/k3s, pkg/configfilearg/parser.go).
func (r *reader) settle(k *rancher, units []start) {
	flags, env := k3sSettings{}, k3sSettings{}
	args, variables := k.command(units)
	flags.addFlags(args)
	for _, name := range k3sNames() {
		variable := k.variables + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		switch name {
		case "config":
			variable += "_FILE"
		case "server":
			variable = k.variables + "URL"
		}
		for _, pair := range variables {
			if value, ok := strings.CutPrefix(pair, variable+"="); ok && value != "" {
				env[name] = []string{value}
			}
		}
	}
	k.config = path.Clean("/" + env.last("config", flags.last("config", k.config)))
	k.settings = env
	inFiles, read := r.k3sFiles(k.config)
	for _, name := range k3sNames() {
		if given := slices.Concat(inFiles[name], flags[name]); len(given) > 0 {
			k.settings[name] = given
		}
	}
	if len(read) > 0 {
		k.source = strings.Join(read, " + ")
	}
}

// command returns the flags and the variables that k3s is started with. A running k3s hides its
// flags behind its title: they are those of its unit.
func (k *rancher) command(units []start) (args, variables []string) {
	if k.process != nil && len(k.process.Args) > 1 && k.process.Args[1] == "server" {
		args, k.source = k.process.Args[2:], fmt.Sprintf("process %d", k.process.PID)
	}
	i := slices.IndexFunc(units, func(s start) bool {
		return k.process != nil && slices.Contains(k.process.Units, s.unit) || k.process == nil && len(units) == 1
	})
	switch {
	case i >= 0:
		unit := units[i]
		if args == nil {
			args, k.source = unit.args, unit.source
		}
		k.unknown = unit.unknown
		return args, unit.env
	case args == nil:
		k.source, k.unknown = k.name+"'s defaults", "the flags of "+k.name+" are not known: it is started by no unit that was found"
	}
	return args, nil
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
