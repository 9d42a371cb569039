package etcdconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// maxFile is the size above which a file is not parsed. etcd has no limit.
const maxFile = 1 << 20

// readFile lays a configuration file over the defaults, as embed.ConfigFromFile does.
func (c *configuration) readFile(path string, content []byte) (notEvaluated string) {
	if len(content) > maxFile {
		return fmt.Sprintf("%s has more than %d bytes", path, maxFile)
	}
	doc, err := newDocument(path, content)
	if err != nil {
		return err.Error()
	}
	for name, def := range defaultsInFile(c.release) {
		c.values[name] = c.byName[name].initial(def)
		c.values[name].origin = c.byDefault()
	}
	root, target := c.rules.file, reflect.New(c.shape)
	fields := target.Elem().Field(0)
	c.fill(root, fields)
	if err := yaml.Unmarshal(content, target.Interface()); err != nil {
		c.refuse("%s: %s", path, decodeError(err))
	}
	var top map[string]any
	if err := yaml.Unmarshal(content, &top); err != nil {
		return "" // refused above: what is no map is no struct either
	}
	doc.top = top
	c.take(root, root, fields, doc)
	c.unknownKeys(root, top, "", doc)
	c.repeatedKeys(root, doc)
	c.fileRules(doc)
	return ""
}

// key is one key of the file, with those below it.
type key struct {
	name    string
	setting *setting // nil for a section
	below   []*key
}

// keys returns the keys of a file as a tree.
func (r *rules) keys() *key {
	root := &key{}
	for i := range r.settings {
		s := &r.settings[i]
		if s.path() == "" {
			continue
		}
		at := root
		for name := range strings.SplitSeq(s.path(), ".") {
			next := at.exactly(name)
			if next == nil {
				next = &key{name: name}
				at.below = append(at.below, next)
			}
			at = next
		}
		at.setting = s
	}
	return root
}

func (k *key) exactly(name string) *key {
	for _, b := range k.below {
		if b.name == name {
			return b
		}
	}
	return nil
}

// find returns the key that encoding/json takes a name for: the one written so, else the
// first that differs in case only.
func (k *key) find(name string) *key {
	if b := k.exactly(name); b != nil {
		return b
	}
	for _, b := range k.below {
		if strings.EqualFold(b.name, name) {
			return b
		}
	}
	return nil
}

// shape returns the struct that encoding/json would fill.
func (k *key) shape() reflect.Type {
	if k.setting != nil {
		return k.setting.shape()
	}
	fields := make([]reflect.StructField, len(k.below))
	for i, b := range k.below {
		fields[i] = reflect.StructField{
			Name: "F" + strconv.Itoa(i), Type: b.shape(),
			Tag: reflect.StructTag(fmt.Sprintf("json:%q", b.name)),
		}
	}
	section := reflect.StructOf(fields)
	if k.pointer() {
		return reflect.PointerTo(section)
	}
	return section
}

// pointer returns whether etcd has a pointer for the section, which null clears
// (clientv3.ConfigSpec).
func (k *key) pointer() bool { return k.setting == nil && (k.name == "secure" || k.name == "auth") }

// shape is the type that a setting has in embed.Config.
func (s *setting) shape() reflect.Type {
	if s.field != nil && s.field.shape != nil {
		return s.field.shape
	}
	switch s.kind {
	case boolean:
		return reflect.TypeFor[bool]()
	case natural, natural64:
		return reflect.TypeFor[uint64]()
	case natural32:
		return reflect.TypeFor[uint32]()
	case integer, integer64:
		return reflect.TypeFor[int64]()
	case duration:
		return reflect.TypeFor[time.Duration]()
	case list:
		return reflect.TypeFor[[]string]()
	case set:
		if s.name != "host-whitelist" {
			return reflect.TypeFor[[]string]()
		}
	}
	return reflect.TypeFor[string]()
}

// fill writes the defaults, which encoding/json leaves where a key is null or not there.
func (c *configuration) fill(k *key, into reflect.Value) {
	for i, b := range k.below {
		at := into.Field(i)
		if b.pointer() {
			at.Set(reflect.New(at.Type().Elem()))
			at = at.Elem()
		}
		if b.setting == nil {
			c.fill(b, at)
			continue
		}
		def := c.values[b.setting.name]
		switch b.setting.kind {
		case boolean:
			at.SetBool(def.isTrue())
		case natural, natural32, natural64:
			at.SetUint(uint64(def.number())) //nolint:gosec // a default, never negative
		case integer, integer64:
			at.SetInt(def.number())
		case duration:
			d, _ := time.ParseDuration(def.text()) // a default
			at.SetInt(int64(d))
		case text, choice, choices, gates:
			c.fillText(b.setting, def, at)
		case list, set:
			if at.Kind() == reflect.Slice {
				at.Set(reflect.ValueOf(slices.Clone(def.items)))
			}
		}
	}
}

// fillText fills what is no number. Elements of a list of URLs are filled because
// encoding/json decodes into the elements that are there.
func (c *configuration) fillText(s *setting, def *value, at reflect.Value) {
	switch at.Interface().(type) {
	case string:
		at.SetString(def.text())
	case []url.URL:
		var all []url.URL
		for _, item := range c.values[s.field.feeds].items {
			if u, err := url.Parse(item); err == nil {
				all = append(all, *u)
			}
		}
		at.Set(reflect.ValueOf(all))
	case map[string]struct{}:
		at.Set(reflect.ValueOf(map[string]struct{}{"*": {}}))
	}
}

// take reads what was decoded.
func (c *configuration) take(root, k *key, from reflect.Value, doc *document) {
	for i, b := range k.below {
		at := from.Field(i)
		if b.pointer() && at.IsNil() {
			c.cleared = b.name
			continue
		}
		if b.setting == nil {
			c.take(root, b, reflect.Indirect(at), doc)
			continue
		}
		spelled, losers := doc.written(root, strings.Split(b.setting.path(), "."))
		for _, l := range losers {
			c.void(b.setting.name, b.setting.shown(show(l.value)), doc.origin(l.path),
				fmt.Sprintf("the same key is written as %s too, and counts there", doc.label(spelled.path)))
		}
		v := c.values[b.setting.name]
		v.items = items(at)
		if spelled == nil {
			continue
		}
		v.set, v.origin = true, doc.origin(spelled.path)
		if f := b.setting.field; f != nil && f.overruled != "" {
			c.void(b.setting.name, "", v.origin, "etcd replaces it: "+f.overruled+" decides")
			v.set = false
		}
	}
}

// items returns a decoded value in the form that is shown.
func items(v reflect.Value) []string {
	switch x := v.Interface().(type) {
	case string:
		return []string{x}
	case bool:
		return []string{strconv.FormatBool(x)}
	case time.Duration:
		return []string{x.String()}
	case []string:
		return x
	case []url.URL:
		if x == nil { // null, which is not the same as no URL
			return nil
		}
		all := make([]string, len(x))
		for i := range x {
			all[i] = x[i].String()
		}
		return all
	case []uint16:
		all := make([]string, len(x))
		for i := range x {
			all[i] = fmt.Sprintf("0x%04x", x[i])
		}
		return all
	case map[string]struct{}:
		return slices.Sorted(maps.Keys(x))
	}
	switch {
	case v.CanInt():
		return []string{strconv.FormatInt(v.Int(), 10)}
	case v.CanUint():
		return []string{strconv.FormatUint(v.Uint(), 10)}
	}
	return nil
}

// decodeError says why the file cannot be decoded, without a value from it.
func decodeError(err error) string {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		is, _, _ := strings.Cut(wrongType.Value, " ")
		if wrongType.Field == "" {
			return fmt.Sprintf("it is %s, and not keys with values", article(is))
		}
		return fmt.Sprintf("%s takes %s, and is %s", strings.TrimPrefix(wrongType.Field, "Config."), wanted(wrongType.Type), article(is))
	}
	// The library's text quotes the file.
	if line := regexp.MustCompile(`line \d+`).FindString(err.Error()); line != "" {
		return "it is not YAML, near " + line
	}
	return "it is not YAML"
}

func article(jsonType string) string {
	switch jsonType {
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "a map"
	}
	return "a " + jsonType
}

func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a number of nanoseconds"
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "a map"
	case t.Kind() == reflect.Func:
		return "no value in a file"
	}
	return fmt.Sprintf("a number (%s)", t.Kind())
}
