package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// explainFiles is the argument that makes this program read configuration files instead of
// running etcd. The modules of the other releases link to this source.
const explainFiles = "explain-configuration-files"

// explanation is what embed.ConfigFromFile makes of one file.
type explanation struct {
	// Error is why it is refused; empty if it is not.
	Error string `json:"error,omitempty"`
	// Fields are those of embed.Config by JSON name, or by Go's where they have none:
	// "tls-min-version", "ClientTLSInfo.CertFile". A list that is nil is not there.
	Fields map[string][]string `json:"fields,omitempty"`
}

// explain reads configuration files, each as one JSON string on a line, and writes an
// explanation on a line for each. Of a URL that cannot be parsed embed ends the process:
// what reads the output finds the line missing.
func explain(in io.Reader, out io.Writer) {
	dir, err := os.MkdirTemp("", "etcd-explain")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "etcd.conf.yaml")
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var content string
		if err := json.Unmarshal(lines.Bytes(), &content); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			panic(err)
		}
		line, err := json.Marshal(explainFile(path))
		if err != nil {
			panic(err)
		}
		if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
			return
		}
	}
}

func explainFile(path string) (e explanation) {
	defer func() {
		if r := recover(); r != nil {
			e = explanation{Error: fmt.Sprintf("panic: %v", r)}
		}
	}()
	cfg, err := embed.ConfigFromFile(path)
	if err != nil {
		return explanation{Error: err.Error()}
	}
	fields := map[string][]string{}
	flatten("", reflect.ValueOf(cfg).Elem(), fields)
	return explanation{Fields: fields}
}

// flatten adds the exported fields of a struct, those of structs in it included.
func flatten(prefix string, v reflect.Value, into map[string][]string) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		switch {
		case !field.IsExported() || name == "-" || name == "HandshakeFailure" || name == "Logger":
		case value.Kind() == reflect.Struct:
			flatten(prefix+name+".", value, into)
		default:
			if texts, known := render(value); known {
				into[prefix+name] = texts
			}
		}
	}
}

// render returns a value as the flag of that name takes it. A list that is nil is nil.
func render(v reflect.Value) (texts []string, known bool) {
	if gates, ok := v.Interface().(fmt.Stringer); ok && v.Kind() == reflect.Interface {
		return []string{gates.String()}, true
	}
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			return nil, true
		}
		texts = []string{}
		for i := range v.Len() {
			one := v.Index(i)
			if s, ok := one.Addr().Interface().(fmt.Stringer); ok { // *url.URL
				texts = append(texts, s.String())
				continue
			}
			if suite, ok := one.Interface().(uint16); ok {
				texts = append(texts, fmt.Sprintf("0x%04x", suite))
				continue
			}
			texts = append(texts, fmt.Sprint(one.Interface()))
		}
		return texts, true
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return nil, false
		}
		for _, key := range v.MapKeys() {
			texts = append(texts, key.String())
		}
		slices.Sort(texts)
		return texts, true
	case reflect.Func, reflect.Interface, reflect.Pointer:
		return nil, false
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return []string{d.String()}, true
	}
	return []string{fmt.Sprint(v.Interface())}, true
}
