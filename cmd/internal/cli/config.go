package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
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

// Load fills the struct that into points to, which holds the defaults, from a
// YAML file (none if file is empty), then from environment variables
// PREFIX_VAULT_AUTH_ROLE_ID, then from the flags that were set. An unknown key is
// refused in every source: a typing error must never silently leave a default in force.
func Load(flags *pflag.FlagSet, file, prefix string, into any) error {
	known := fields(into)
	v := viper.New()
	if file != "" {
		v.SetConfigType("yaml")
		text, err := readConfig(file)
		if err == nil {
			err = v.ReadConfig(bytes.NewReader(text))
		}
		if err == nil {
			err = refuseMore(text)
		}
		if err != nil {
			return Usage(fmt.Errorf("read configuration file %s: %w", file, err))
		}
		if err := refuseUnknown(v.AllKeys(), known, file); err != nil {
			return err
		}
	}
	if err := refuseUnknownEnv(os.Environ(), prefix, known); err != nil {
		return err
	}
	for _, f := range known {
		v.SetDefault(f.key, f.value.Interface())
		if err := v.BindEnv(f.key, envName(prefix, f.key)); err != nil {
			return fmt.Errorf("bind environment of %s: %w", f.key, err)
		}
		if flag := flags.Lookup(flagName(f.key)); flag != nil && flag.Changed {
			if err := v.BindPFlag(f.key, flag); err != nil {
				return fmt.Errorf("bind flag --%s: %w", flag.Name, err)
			}
		}
	}
	if err := v.UnmarshalExact(into, viper.DecodeHook(decodeHook())); err != nil {
		return Usage(fmt.Errorf("configuration: %w", err))
	}
	return nil
}

// readConfig reads a configuration file, which may be a pipe. It does not wait where nothing
// writes into that, and it reads no file without an end.
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

// refuseMore refuses a file with a second YAML document: viper ignores what is in it. An empty
// one, after a last "---", holds nothing.
func refuseMore(text []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for first := true; ; first = false {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil && (first || document.Content[0].Tag == "!!null"):
		default:
			return errors.New("it has more than one YAML document: put all settings into the first, and remove what follows it")
		}
	}
}

func decodeHook() mapstructure.DecodeHookFunc {
	return mapstructure.ComposeDecodeHookFunc(
		refuseBareNumber,
		refuseUnquoted,
		mapstructure.StringToTimeDurationHookFunc(),
		mapstructure.StringToSliceHookFunc(","),
	)
}

// Overlay sets the fields of the struct that into points to from one element of a list
// in the configuration file, and does not change the others. key names the element in
// errors. An unknown key is refused.
func Overlay(into any, key string, element map[string]any) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: into, ErrorUnused: true, WeaklyTypedInput: true, DecodeHook: decodeHook(),
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

// refuseBareNumber keeps "lease: 24" from meaning 24 nanoseconds.
func refuseBareNumber(from, to reflect.Type, value any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from != to && from.Kind() != reflect.String {
		return nil, fmt.Errorf("%v is not a duration: give a number with a unit, such as 30s or 24h", value)
	}
	return value, nil
}

// refuseUnquoted keeps "cluster: 0123" from meaning "83", and "1.10" from meaning "1.1",
// as YAML reads them.
func refuseUnquoted(from, to reflect.Type, value any) (any, error) {
	if to.Kind() != reflect.String {
		return value, nil
	}
	var kind string
	switch {
	case from.Kind() == reflect.Bool:
		kind = "a boolean"
	case from.ConvertibleTo(reflect.TypeFor[float64]()):
		kind = "a number"
	case from == reflect.TypeFor[time.Time]():
		kind = "a date"
	default:
		return value, nil
	}
	return nil, fmt.Errorf("YAML reads this as %s, which changes the text: put it in quotes", kind)
}

func refuseUnknown(keys []string, known []field, file string) error {
	var errs []error
	slices.Sort(keys)
	for _, key := range keys {
		if slices.ContainsFunc(known, func(f field) bool { return f.key == key }) {
			continue
		}
		errs = append(errs, fmt.Errorf("%s: unknown key %s%s", file, key, suggestion(key, known)))
	}
	if len(errs) > 0 {
		return Usage(errors.Join(errs...))
	}
	return nil
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
