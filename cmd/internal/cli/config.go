package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
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
	v := viper.New()
	if from.File != "" {
		text, err := readDocument(from, known)
		if err != nil {
			return Usage(err)
		}
		v.SetConfigType("yaml")
		if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
			return Usage(fmt.Errorf("read configuration file %s: %w", from.File, err))
		}
	}
	if err := refuseUnknownEnv(os.Environ(), from.Prefix, known); err != nil {
		return err
	}
	// Flags that no one sees: what the text of a variable means is up to them alone.
	texts := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(texts, into)
	for _, f := range known {
		v.SetDefault(f.key, f.value.Interface())
		flag, name, err := flags.Lookup(flagName(f.key)), "--"+flagName(f.key), error(nil)
		if flag == nil || !flag.Changed {
			name = envName(from.Prefix, f.key)
			if flag, err = f.fromVariable(texts, os.Getenv(name)); flag == nil && err == nil {
				continue
			}
		}
		if err == nil && from.Filled {
			err = refuseEmpty(flag)
		}
		if err != nil {
			return Usage(fmt.Errorf("%s: %w", name, err))
		}
		if err := v.BindPFlag(f.key, flag); err != nil {
			return fmt.Errorf("bind %s: %w", name, err)
		}
	}
	if err := v.UnmarshalExact(into, viper.DecodeHook(decodeHook())); err != nil {
		return Usage(fmt.Errorf("configuration: %w", err))
	}
	for _, f := range known {
		if list, ok := f.value.Interface().([]string); ok && !f.whole {
			for i := range list {
				list[i] = strings.TrimSpace(list[i])
			}
		}
	}
	return nil
}

// fromVariable returns the flag of a setting with the text of a variable; nil where that is empty.
// Commas separate the elements of any list.
func (f field) fromVariable(texts *pflag.FlagSet, text string) (*pflag.Flag, error) {
	flag := texts.Lookup(flagName(f.key))
	switch {
	case text == "":
		return nil, nil
	case flag == nil:
		return nil, errors.New("it can be set in the configuration file only: unset it")
	}
	all := []string{text}
	if f.whole {
		all = split(text)
	}
	for _, one := range all {
		if err := texts.Set(flag.Name, one); err != nil {
			return nil, wanted(flag, one)
		}
	}
	return flag, nil
}

func decodeHook() mapstructure.DecodeHookFunc {
	return mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(),
		func(_, to reflect.Type, value any) (any, error) {
			if text, ok := value.(string); ok && to == reflect.TypeFor[[]string]() {
				return split(text), nil
			}
			return value, nil
		},
	)
}

// Overlay sets the fields of the struct that into points to from one element of a list
// in the configuration file, and does not change the others. key names the element in
// errors. An unknown key is refused.
func Overlay(into any, key string, element map[string]any) error {
	if err := checkElement(key, element, fields(into)); err != nil {
		return Usage(err)
	}
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: into, ErrorUnused: true, DecodeHook: decodeHook(),
		// Replace a list instead of overwriting its elements: the struct shares the list
		// with the one that it was copied from.
		ZeroFields: true,
	})
	if err != nil {
		return fmt.Errorf("prepare to read %s: %w", key, err)
	}
	if err := decoder.Decode(element); err != nil {
		return Usage(fmt.Errorf("%s: %w", key, err))
	}
	return nil
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
