package hostconfig

import (
	"maps"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// look searches the words and the variables of a unit for secrets, then its environment files.
func (c command) look(unit string) []facts.Looked {
	args, missing := searched(c.words)
	l := look("", unit, args, c.own)
	if l.Missing = c.unsearched; l.Missing == "" {
		l.Missing = missing
	}
	all := []facts.Looked{l}
	for _, f := range c.files {
		all = append(all, look(f.name, unit, nil, f.pairs))
	}
	return all
}

// secretsOfUnit returns the files of a unit in which a secret stands, each judged by itself, with
// the name of a word or variable that it is in. files are the unit's own and its drop-ins.
func (r *reader) secretsOfUnit(svc service, unit string, files []string) map[string]string {
	all, ok := r.command(svc, unit)
	if !ok {
		return nil
	}
	secrets := map[string]string{}
	note := func(file string, found []facts.Word, pairs []string) {
		if len(found) > 0 {
			secrets[file] = found[0].Name
		} else if word := all.fedBy(pairs); word != "" {
			secrets[file] = word
		}
	}
	for _, f := range all.files {
		note(f.name, look("", unit, nil, f.pairs).Found, f.pairs)
	}
	for _, file := range files {
		text, _, err := r.tree.ReadFile(file, longestText)
		if err != nil {
			continue
		}
		part := newService(parseUnit(string(text)))
		part.environmentFiles = nil
		c := r.environment(part, unit)
		line, _ := specifiers(part.command, unit, r.host.Node)
		words, _ := expandCommand(line, c.env) // none in a drop-in that only sets variables
		args, _ := searched(words)
		note(file, look("", unit, args, c.own).Found, c.own)
	}
	return secrets
}

// fedBy returns the name of a word of the command that holds a secret only with these variables;
// empty if there is none.
func (c command) fedBy(pairs []string) string {
	without := maps.Clone(c.env)
	for _, pair := range pairs {
		if name, value, _ := strings.Cut(pair, "="); without[name] == value {
			delete(without, name)
		}
	}
	found := func(env map[string]string) (names []string) {
		words, _ := expandCommand(c.line, env)
		args, _ := searched(words)
		for _, w := range look("", "", args, nil).Found {
			names = append(names, w.Name)
		}
		return names
	}
	left := map[string]int{}
	for _, name := range found(without) {
		left[name]++
	}
	for _, name := range found(c.env) {
		if left[name]--; left[name] < 0 {
			return name
		}
	}
	return ""
}
