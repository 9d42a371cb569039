package etcdconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"

	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// document is a configuration file as text: which keys stand where. What they mean to etcd
// is decided by the decoder, not here.
type document struct {
	file string
	top  map[string]any
	// lines are those of every path of keys, in order; none if the file could not be read
	// as nodes.
	lines map[string][]int
}

// place is one key as it is spelled in the file.
type place struct {
	path  string
	value any
}

// newDocument finds the lines. It refuses what would take too much memory to decode.
func newDocument(file string, content []byte) (*document, error) {
	d := &document{file: file, lines: map[string][]int{}}
	top, err := boundedyaml.Nodes(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if top != nil {
		d.find(top, "", 0)
	}
	return d, nil
}

// deepest is how many levels of keys etcd knows.
const deepest = 4

func (d *document) find(n *yamlnode.Node, prefix string, depth int) {
	if n.Kind == yamlnode.AliasNode {
		n = n.Alias
	}
	if n.Kind != yamlnode.MappingNode || depth > deepest {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Tag == "!!merge" {
			d.find(value, prefix, depth+1)
			continue
		}
		path := prefix + name.Value
		d.lines[path] = append(d.lines[path], name.Line)
		d.find(value, path+".", depth+1)
	}
}

// label names a key with its line.
func (d *document) label(path string) string {
	if lines := d.lines[path]; len(lines) > 0 {
		return fmt.Sprintf("%s in line %d", path, lines[len(lines)-1])
	}
	return path
}

func (d *document) origin(path string) Origin {
	text := path + " in " + d.file
	if lines := d.lines[path]; len(lines) > 0 {
		text += ", line " + strconv.Itoa(lines[len(lines)-1])
	}
	return Origin{Kind: File, Text: text}
}

// written returns where a key is written that is not null, in the spelling that counts,
// and the other spellings. encoding/json takes any letter case, in the order of the bytes.
func (d *document) written(root *key, names []string) (counts *place, others []place) {
	var found []place
	var walk func(level map[string]any, at *key, names []string, prefix string)
	walk = func(level map[string]any, at *key, names []string, prefix string) {
		next := at.exactly(names[0])
		for _, name := range slices.Sorted(maps.Keys(level)) {
			if at.find(name) != next || level[name] == nil {
				continue
			}
			if len(names) == 1 {
				found = append(found, place{prefix + name, level[name]})
			} else if below, isMap := level[name].(map[string]any); isMap {
				walk(below, next, names[1:], prefix+name+".")
			}
		}
	}
	walk(d.top, root, names, "")
	if len(found) == 0 {
		return nil, nil
	}
	last := len(found) - 1
	return &found[last], found[:last]
}

// show returns a value of the file on one line.
func show(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case []any:
		all := make([]string, len(x))
		for i := range x {
			all[i] = show(x[i])
		}
		return strings.Join(all, ",")
	}
	encoded, _ := json.Marshal(v) // it was JSON before
	return string(encoded)
}

// unknownKeys notes keys that etcd drops without a word.
func (c *configuration) unknownKeys(k *key, level map[string]any, prefix string, doc *document) {
	for _, name := range slices.Sorted(maps.Keys(level)) {
		path := prefix + name
		below := k.find(name)
		if below == nil {
			shown := ""
			// The value of a key that no etcd knows may be anything.
			if s := c.byName[name]; s != nil {
				shown = s.shown(show(level[name]))
			}
			c.void(path, shown, doc.origin(path), c.whyUnknown(prefix, name))
			continue
		}
		if section, isMap := level[name].(map[string]any); isMap && below.setting == nil {
			c.unknownKeys(below, section, path+".", doc)
		}
	}
}

// whyUnknown says where the key would count.
func (c *configuration) whyUnknown(prefix, name string) string {
	section := strings.TrimSuffix(prefix, ".")
	s := c.byName[name]
	if peer := c.byName["peer-"+name]; strings.HasPrefix(prefix, "peer-") && peer != nil {
		s = peer
	}
	client := c.byName["client-"+name]
	switch {
	case strings.HasSuffix(name, "crl-file"):
		return "no documented key of a file sets a revocation list: the flag does, without a configuration file"
	case s != nil && s.path() == "":
		return "no such key: a file cannot express this flag"
	case s != nil && strings.Contains(s.path(), "."):
		return "no such key " + level(section) + ": it is " + s.path()
	case s != nil:
		return "no such key " + level(section) + ": it counts at the top of the file, as " + s.path()
	case client != nil && section != "" && client.path() != "":
		return "no such key " + level(section) + ": it is " + client.path()
	}
	return "no such key " + level(section) + c.elsewhere(name)
}

func level(section string) string {
	if section == "" {
		return "at the top of the file"
	}
	return "in " + section
}

// repeatedKeys notes keys that are written twice in the same spelling.
func (c *configuration) repeatedKeys(root *key, doc *document) {
	for _, path := range slices.Sorted(maps.Keys(doc.lines)) {
		lines := doc.lines[path]
		at := root
		for name := range strings.SplitSeq(path, ".") {
			if at = at.find(name); at == nil {
				break
			}
		}
		// A key below a section that is repeated as a whole is lost with it.
		if parent, _, nested := strings.Cut(path, "."); at == nil || nested && len(doc.lines[parent]) > 1 {
			continue
		}
		for _, line := range lines[:len(lines)-1] {
			c.void(path, "", Origin{Kind: File, Text: fmt.Sprintf("%s in %s, line %d", path, doc.file, line)},
				fmt.Sprintf("the same key follows in line %d, and the last one counts", lines[len(lines)-1]))
		}
	}
}
