package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
)

// document checks one YAML document before it is read as settings. What reads it converts between
// kinds of values, and takes a key in any case: a mistake there would pass for another setting.
type document struct {
	// name begins each error: the file, or the element of a list in it.
	name  string
	known []field
	// filled is set where an empty value is a mistake.
	filled bool
	seen   map[string]int // the line of each key
}

// readDocument returns the text of a configuration file, whose one document was checked. The
// file may be a pipe. It does not wait where nothing writes into that, and it reads no file
// without an end.
func readDocument(from Sources, known []field) ([]byte, error) {
	text, err := readConfig(from.File)
	if at, ok := errors.AsType[*os.PathError](err); ok {
		err = at.Err
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", from.File, err)
	}
	node, err := only(text)
	if err != nil {
		return nil, fmt.Errorf("configuration file %s %w", from.File, err)
	}
	if node == nil || node.ShortTag() == "!!null" {
		return nil, nil
	}
	d := document{name: from.File, known: known, filled: from.Filled, seen: map[string]int{}}
	return text, d.check("", node)
}

func readConfig(file string) ([]byte, error) {
	const longest = 1 << 20
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // named by the user
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, longest+1))
	if err == nil && len(text) > longest {
		err = fmt.Errorf("it has more than %d bytes", longest)
	}
	return text, err
}

// only returns the one document of a file; nil where there is nothing in it. viper would ignore a
// second one.
func only(text []byte) (first *yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return first, nil
		case err == nil && len(node.Content) == 0: // nothing but comments
		case err == nil && first == nil:
			first = resolve(node.Content[0])
		case first != nil && (err != nil || node.Content[0].Tag != "!!null"):
			return nil, errors.New("has more than one YAML document: put all settings into the first, and remove what follows it")
		case err != nil:
			return nil, fmt.Errorf("is no YAML: %s", plain(err))
		}
	}
}

// plain is what the YAML library says, in one line.
func plain(err error) string {
	return strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: ")
}

func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// check looks at the settings that a node has below a path, which is empty or ends with a dot.
func (d *document) check(path string, node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return d.wrong(node, strings.TrimSuffix(path, "."), "want settings, each as key: value")
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], resolve(node.Content[i+1])
		key := path + name.Value
		if line, twice := d.seen[key]; twice {
			return d.wrong(name, key, "it is already defined in line %d: remove one of them", line)
		}
		d.seen[key] = name.Line
		at := slices.IndexFunc(d.known, func(f field) bool { return f.key == key })
		section := slices.ContainsFunc(d.known, func(f field) bool { return strings.HasPrefix(f.key, key+".") })
		var err error
		switch {
		case at >= 0 && strings.Contains(name.Value, "."):
			// Beside a section of the same name, chance would decide which of the two counts.
			return d.wrong(name, key, "write it below its section, without a dot")
		case at >= 0:
			err = d.value(d.known[at].value.Interface(), key, value)
		case !section:
			// No alias is followed: it can lead back to where it stands.
			for value.Kind == yaml.MappingNode && len(value.Content) > 0 {
				name, value = value.Content[0], value.Content[1]
				key += "." + name.Value
			}
			return d.wrong(name, "unknown key "+key+suggestion(key, d.known), "")
		case value.ShortTag() != "!!null":
			err = d.check(key+".", value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// value looks at the value of a setting, whose default shows its kind.
func (d *document) value(kind any, key string, node *yaml.Node) error {
	if node.ShortTag() == "!!null" {
		if d.filled {
			return d.wrong(node, key, emptyText)
		}
		return nil
	}
	scalar := func(tag string) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == tag }
	switch kind.(type) {
	case string:
		return d.text(key, node)
	case bool:
		if !scalar("!!bool") {
			return d.wrong(node, key, "want true or false")
		}
	case int:
		// Not as YAML reads numbers, which takes 010 for 8.
		if n, err := strconv.Atoi(node.Value); err != nil || !scalar("!!int") || strconv.Itoa(n) != node.Value {
			return d.wrong(node, key, "want a whole number, such as 12")
		}
	case time.Duration:
		if _, err := time.ParseDuration(node.Value); err != nil || !scalar("!!str") {
			return d.wrong(node, key, "this is not a duration: give a number with a unit, such as 30s or 24h")
		}
	case []string:
		return d.list(key, node)
	default: // a list of sections, whose settings Overlay reads
		if err := node.Decode(&[]map[string]any{}); err != nil {
			return d.wrong(node, key, "want a list of sections: %s", plain(err))
		}
	}
	return nil
}

// list looks at a list, or a text with its elements between commas.
func (d *document) list(key string, node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		if err := d.text(key, node); err != nil {
			return err
		}
		if d.filled && hasEmpty(split(node.Value)) {
			return d.wrong(node, key, emptyElement)
		}
		return nil
	}
	for i, element := range node.Content {
		if err := d.text(fmt.Sprintf("%s[%d]", key, i), resolve(element)); err != nil {
			return err
		}
	}
	if d.filled && len(node.Content) == 0 {
		return d.wrong(node, key, emptyText)
	}
	return nil
}

// text looks at a text. It keeps "cluster: 0123" from meaning "83", and "1.10" from meaning "1.1", as
// YAML reads them.
func (d *document) text(key string, node *yaml.Node) error {
	kinds := map[string]string{"!!bool": "a boolean", "!!int": "a number", "!!float": "a number", "!!timestamp": "a date"}
	tag := node.ShortTag()
	switch {
	case node.Kind != yaml.ScalarNode:
		return d.wrong(node, key, "want a text")
	case kinds[tag] != "":
		return d.wrong(node, key, "YAML reads this as %s, which changes the text: put it in quotes", kinds[tag])
	case tag != "!!str" && tag != "!!null" && tag != "!!merge":
		return d.wrong(node, key, "want a text")
	case d.filled && (tag == "!!null" || strings.TrimSpace(node.Value) == ""):
		return d.wrong(node, key, emptyText)
	}
	return nil
}

// What is said of values that say nothing.
const (
	emptyText    = "it is empty: give a value, or leave it out"
	emptyElement = "an element of the list is empty: remove its comma, or give a value"
)

// wrong is an error about what stands at a node.
func (d *document) wrong(node *yaml.Node, key, format string, args ...any) error {
	where := d.name
	if node.Line > 0 {
		where += fmt.Sprintf(", line %d", node.Line)
	}
	parts := slices.DeleteFunc([]string{where, key, fmt.Sprintf(format, args...)}, func(s string) bool { return s == "" })
	return errors.New(strings.Join(parts, ": "))
}

// checkElement checks one element of a list of sections. key names it.
func checkElement(key string, element map[string]any, known []field) error {
	var node yaml.Node
	if err := node.Encode(element); err != nil {
		return fmt.Errorf("%s: %s", key, plain(err))
	}
	d := document{name: key, known: known, seen: map[string]int{}}
	return d.check("", &node)
}
