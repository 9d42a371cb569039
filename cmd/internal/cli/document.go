package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
)

// document fills settings from one YAML document. Nothing in it is converted: what YAML reads as
// another kind of value than the setting has is a mistake.
type document struct {
	// name begins each error: the file, or the element of a list in it.
	name  string
	known []field
	// filled is set where an empty value is a mistake, and nulled where null is the zero value
	// of a setting, and not its default.
	filled, nulled bool
	seen           map[string]int // the line of each key
}

// readDocument reads the document of a configuration file; nil where there is nothing in it. The
// file may be a pipe. It does not wait where nothing writes into that, and it reads no file
// without an end.
func readDocument(file string) (*yaml.Node, error) {
	const longest = 1 << 20
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // named by the user
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, longest+1))
	if err != nil {
		return nil, err
	}
	if len(text) > longest {
		return nil, fmt.Errorf("%s has more than %d bytes", file, longest)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var first *yaml.Node
	for {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return first, nil
		case err == nil && len(node.Content) == 0: // nothing but comments
		case err == nil && first == nil:
			first = resolve(node.Content[0])
		case first != nil && (err != nil || node.Content[0].Tag != "!!null"):
			return nil, fmt.Errorf("%s has more than one YAML document: put all settings into the first, and remove what follows it", file)
		case err != nil:
			return nil, fmt.Errorf("%s is no YAML: %s", file, plain(err))
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

// fill sets the settings that a node has below a path, which is empty or ends with a dot.
func (d *document) fill(path string, node *yaml.Node) error {
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
		case at >= 0:
			err = d.set(d.known[at].value, key, value)
		case !section:
			for value.Kind == yaml.MappingNode && len(value.Content) > 0 {
				name, value = value.Content[0], resolve(value.Content[1])
				key += "." + name.Value
			}
			return d.wrong(name, "unknown key "+key+suggestion(key, d.known), "")
		case value.ShortTag() != "!!null":
			err = d.fill(key+".", value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// set gives a setting its value.
func (d *document) set(into reflect.Value, key string, node *yaml.Node) error {
	if node.ShortTag() == "!!null" {
		if d.filled {
			return d.wrong(node, key, emptyText)
		}
		if d.nulled {
			into.SetZero()
		}
		return nil
	}
	scalar := func(tag string) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == tag }
	switch into.Interface().(type) {
	case string:
		text, err := d.text(key, node)
		if err != nil {
			return err
		}
		into.SetString(text)
	case bool:
		if !scalar("!!bool") {
			return d.wrong(node, key, "want true or false")
		}
		into.SetBool(strings.EqualFold(node.Value, "true"))
	case int:
		// Not as YAML reads numbers, which takes 010 for 8.
		n, err := strconv.Atoi(node.Value)
		if err != nil || !scalar("!!int") || strconv.Itoa(n) != node.Value {
			return d.wrong(node, key, "want a whole number, such as 12")
		}
		into.SetInt(int64(n))
	case time.Duration:
		length, err := time.ParseDuration(node.Value)
		if err != nil || !scalar("!!str") {
			return d.wrong(node, key, "this is not a duration: give a number with a unit, such as 30s or 24h")
		}
		into.SetInt(int64(length))
	case []string:
		list, err := d.list(key, node)
		if err != nil {
			return err
		}
		into.Set(reflect.ValueOf(list))
	default: // a list of sections, whose settings Overlay reads
		value := reflect.New(into.Type())
		if err := node.Decode(value.Interface()); err != nil {
			return d.wrong(node, key, "want a list of sections: %s", plain(err))
		}
		into.Set(value.Elem())
	}
	return nil
}

// list reads a list, or a text with its elements between commas.
func (d *document) list(key string, node *yaml.Node) ([]string, error) {
	list := []string{}
	if node.Kind != yaml.SequenceNode {
		text, err := d.text(key, node)
		if err != nil {
			return nil, err
		}
		if list = split(text); d.filled && hasEmpty(list) {
			return nil, d.wrong(node, key, emptyElement)
		}
		return list, nil
	}
	for i, element := range node.Content {
		text, err := d.text(fmt.Sprintf("%s[%d]", key, i), resolve(element))
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	if d.filled && len(list) == 0 {
		return nil, d.wrong(node, key, emptyText)
	}
	return list, nil
}

// text reads a text. It keeps "cluster: 0123" from meaning "83", and "1.10" from meaning "1.1", as
// YAML reads them.
func (d *document) text(key string, node *yaml.Node) (string, error) {
	kinds := map[string]string{"!!bool": "a boolean", "!!int": "a number", "!!float": "a number", "!!timestamp": "a date"}
	tag := node.ShortTag()
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", d.wrong(node, key, "want a text")
	case kinds[tag] != "":
		return "", d.wrong(node, key, "YAML reads this as %s, which changes the text: put it in quotes", kinds[tag])
	case tag != "!!str" && tag != "!!null" && tag != "!!merge":
		return "", d.wrong(node, key, "want a text")
	case d.filled && (tag == "!!null" || strings.TrimSpace(node.Value) == ""):
		return "", d.wrong(node, key, emptyText)
	case tag == "!!null":
		return "", nil
	}
	return node.Value, nil
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
	return Usage(errors.New(strings.Join(parts, ": ")))
}

// Overlay sets the fields of the struct that into points to from one element of a list
// in the configuration file, and does not change the others. key names the element in
// errors. An unknown key is refused.
func Overlay(into any, key string, element map[string]any) error {
	var node yaml.Node
	if err := node.Encode(element); err != nil {
		return Usage(fmt.Errorf("%s: %s", key, plain(err)))
	}
	d := document{name: key, known: fields(into), nulled: true, seen: map[string]int{}}
	return d.fill("", &node)
}

// fillFrom sets what a configuration file has.
func fillFrom(from Sources, known []field) error {
	node, err := readDocument(from.File)
	if at, ok := errors.AsType[*os.PathError](err); ok {
		err = fmt.Errorf("%s: %w", from.File, at.Err)
	}
	if err != nil {
		return Usage(fmt.Errorf("configuration file %w", err))
	}
	if node == nil || node.ShortTag() == "!!null" {
		return nil
	}
	d := document{name: cmp.Or(from.File, "configuration"), known: known, filled: from.Filled, seen: map[string]int{}}
	return d.fill("", node)
}
