package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// field is one leaf of a configuration struct.
type field struct {
	key   string // dotted path: "vault.auth.role-id"
	help  string
	short string // one letter: the flag's short form
	whole bool   // each use of the flag is one element of the list, commas included
	value reflect.Value
}

// AddFlags defines a flag for every leaf of the configuration struct that into
// points to. Its name is the key with dashes for dots (vault.auth.role-id becomes
// --vault-auth-role-id), its short form the tag `short`, its usage text the tag `help`, its
// default the value in the struct. A flag of a list takes several elements with commas between
// them, or with the tag `whole:"true"` one element, such as a file whose name has a comma. A leaf
// without `help` gets no flag. No leaf may be secret: every process can read flags.
func AddFlags(flags *pflag.FlagSet, into any) {
	for _, f := range fields(into) {
		if f.help == "" {
			continue
		}
		switch v := f.value.Interface().(type) {
		case string:
			flags.StringP(flagName(f.key), f.short, v, f.help)
		case bool:
			flags.BoolP(flagName(f.key), f.short, v, f.help)
		case int:
			flags.IntP(flagName(f.key), f.short, v, f.help)
		case time.Duration:
			flags.DurationP(flagName(f.key), f.short, v, f.help)
		case []string:
			if f.whole {
				flags.StringArrayP(flagName(f.key), f.short, v, f.help)
				continue
			}
			flags.StringSliceP(flagName(f.key), f.short, v, f.help)
		default:
			panic(fmt.Sprintf("configuration key %s has type %T, which no flag can hold", f.key, v))
		}
	}
}

// Sources says where settings come from beside flags.
type Sources struct {
	// File is in YAML; empty for none.
	File string
	// Prefix of environment variables: PREFIX_VAULT_AUTH_ROLE_ID. One that is set to nothing
	// counts as not set.
	Prefix string
	// Filled is set where no setting means anything when it is empty: an empty text, list or
	// element is then a mistake, such as a variable of a shell that is not set.
	Filled bool
}

// Load fills the struct that into points to, which holds the defaults, from a
// YAML file, then from environment variables, then from the flags that were set. An unknown key
// is refused in every source: a typing error must never silently leave a default in force. So
// is a value of another kind than the setting has; the environment is read as flags are. The
// first mistake is returned, in one line.
func Load(flags *pflag.FlagSet, from Sources, into any) error {
	known := fields(into)
	if from.File != "" {
		if err := fillFrom(from, known); err != nil {
			return err
		}
	}
	if err := refuseUnknownEnv(os.Environ(), from.Prefix, known); err != nil {
		return err
	}
	// Flags that no one sees: what a text means is up to them alone.
	texts := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(texts, into)
	for _, f := range known {
		flag, variable := texts.Lookup(flagName(f.key)), envName(from.Prefix, f.key)
		if text := os.Getenv(variable); text != "" {
			if flag == nil {
				return Usage(fmt.Errorf("%s: it can be set in the configuration file only: unset it", variable))
			}
			if err := f.setText(flag, text); err != nil {
				return Usage(fmt.Errorf("%s: %w", variable, err))
			}
			if err := f.take(flag, from.Filled); err != nil {
				return Usage(fmt.Errorf("%s: %w", variable, err))
			}
		}
		if flag := flags.Lookup(flagName(f.key)); flag != nil && flag.Changed {
			if err := f.take(flag, from.Filled); err != nil {
				return Usage(fmt.Errorf("--%s: %w", flag.Name, err))
			}
		}
	}
	return nil
}

// setText gives a flag the text of a variable, in which commas separate the elements of any list.
func (f field) setText(flag *pflag.Flag, text string) error {
	texts := []string{text}
	if f.whole {
		texts = split(text)
	}
	for _, text := range texts {
		if err := flag.Value.Set(text); err != nil {
			return wanted(flag, text)
		}
	}
	return nil
}

// take sets the field to what a flag has.
func (f field) take(flag *pflag.Flag, filled bool) (err error) {
	if filled {
		if err := refuseEmpty(flag); err != nil {
			return err
		}
	}
	text := flag.Value.String()
	switch f.value.Interface().(type) {
	case string:
		f.value.SetString(text)
	case bool:
		var on bool
		on, err = strconv.ParseBool(text)
		f.value.SetBool(on)
	case int:
		var n int
		n, err = strconv.Atoi(text)
		f.value.SetInt(int64(n))
	case time.Duration:
		var length time.Duration
		length, err = time.ParseDuration(text)
		f.value.SetInt(int64(length))
	case []string:
		var list []string
		if all, ok := flag.Value.(pflag.SliceValue); ok {
			list = slices.Clone(all.GetSlice())
		}
		for i := range list {
			if !f.whole {
				list[i] = strings.TrimSpace(list[i])
			}
		}
		f.value.Set(reflect.ValueOf(list))
	}
	return err // never: the flag has read it
}

// split takes a text with commas apart.
func split(text string) (list []string) {
	if text == "" {
		return []string{}
	}
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(part))
	}
	return list
}

func hasEmpty(list []string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.TrimSpace(s) == "" })
}

// RefuseEmpty refuses a flag of the call that is empty, or has an empty element: for programs
// in which no flag has a meaning then.
func RefuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(flag *pflag.Flag) {
		if empty := refuseEmpty(flag); empty != nil && err == nil {
			err = Usage(fmt.Errorf("--%s: %w", flag.Name, empty))
		}
	})
	return err
}

func refuseEmpty(flag *pflag.Flag) error {
	text := flag.Value.String()
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		switch all := list.GetSlice(); {
		case len(all) > 1 && hasEmpty(all):
			return errors.New(emptyElement)
		default:
			text = strings.Join(all, "")
		}
	}
	if strings.TrimSpace(text) == "" {
		return errors.New(emptyText + " (is a variable of the shell not set?)")
	}
	return nil
}

// wanted says what a text of a flag or variable should be.
func wanted(flag *pflag.Flag, text string) error {
	want := map[string]string{
		"bool": "true or false", "int": "a whole number, such as 12", "duration": "a number with a unit, such as 30s or 24h",
		"stringSlice": "texts with commas between them, quotes around a whole one or nowhere",
	}[flag.Value.Type()]
	return fmt.Errorf("%q: want %s", text, cmp.Or(want, "another value"))
}

// serviceLink matches the variables that kubelet sets in every pod for a Service whose
// name begins with the prefix.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_.*)?)?)$`)

func refuseUnknownEnv(environ []string, prefix string, known []field) error {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix+"_") || serviceLink.MatchString(name) {
			continue
		}
		if !slices.ContainsFunc(known, func(f field) bool { return envName(prefix, f.key) == name }) {
			return Usage(fmt.Errorf("environment variable %s: there is no such configuration key; correct or unset it", name))
		}
	}
	return nil
}

// suggestion names a known key with the same last element, or one that contains the
// unknown key.
func suggestion(key string, known []field) string {
	last := key[strings.LastIndex(key, ".")+1:]
	for _, f := range known {
		if strings.HasSuffix(f.key, "."+last) || strings.Contains(f.key, last) || strings.HasPrefix(key, f.key) {
			return fmt.Sprintf(" (did you mean %s?)", f.key)
		}
	}
	return ""
}

// Tree returns the configuration struct that into points to as nested maps, with the
// names and in the form of the configuration file.
func Tree(into any) map[string]any {
	tree := map[string]any{}
	for _, f := range fields(into) {
		path := strings.Split(f.key, ".")
		node := tree
		for _, name := range path[:len(path)-1] {
			child, ok := node[name].(map[string]any)
			if !ok {
				child = map[string]any{}
				node[name] = child
			}
			node = child
		}
		value := f.value.Interface()
		switch v := value.(type) {
		case time.Duration:
			value = v.String()
		case []string:
			value = append([]string{}, v...) // an empty list, where nil would read as "null"
		}
		node[path[len(path)-1]] = value
	}
	return tree
}

// Differences lists the keys in which two configuration structs of one type, that
// a and b point to, differ.
func Differences(a, b any) (keys []string) {
	others := fields(b)
	for i, f := range fields(a) {
		if !reflect.DeepEqual(f.value.Interface(), others[i].value.Interface()) {
			keys = append(keys, f.key)
		}
	}
	return keys
}

func flagName(key string) string { return strings.ReplaceAll(key, ".", "-") }

func envName(prefix, key string) string {
	return prefix + "_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// fields lists the leaves of the struct that into points to, in order.
func fields(into any) []field {
	return appendFields(nil, "", reflect.ValueOf(into).Elem())
}

func appendFields(list []field, prefix string, v reflect.Value) []field {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name, options, _ := strings.Cut(tag.Get("mapstructure"), ",")
		switch {
		case options == "squash": // an embedded struct, whose keys are at the same level
			list = appendFields(list, prefix, v.Field(i))
		case v.Field(i).Kind() == reflect.Struct:
			list = appendFields(list, prefix+name+".", v.Field(i))
		default:
			list = append(list, field{key: prefix + name, help: tag.Get("help"), short: tag.Get("short"), whole: tag.Get("whole") == "true", value: v.Field(i)})
		}
	}
	return list
}
