// Package report writes the report model of proto/sealproof/audit/v1. Its writers know
// the model and nothing else.
package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// JSON writes a report, or a register of keys, in protobuf's JSON mapping with the names of the
// schema. Everything is in it, empty fields included.
//
// It writes field by field: protojson holds the text of the whole report in memory, which is a
// multiple of the report where it names many objects.
func JSON(w io.Writer, r proto.Message) error {
	out := jsonWriter{Writer: bufio.NewWriter(w)}
	out.message(r.ProtoReflect(), 0)
	_ = out.WriteByte('\n') // Flush has the error
	if out.err != nil {
		return fmt.Errorf("encode the report: %w", out.err)
	}
	return out.Flush()
}

// jsonWriter keeps its first error: a bufio.Writer keeps those of writing.
type jsonWriter struct {
	*bufio.Writer
	err error
}

func (w *jsonWriter) text(s string) { _, _ = w.WriteString(s) }

func (w *jsonWriter) line(depth int) { w.text("\n" + strings.Repeat("  ", depth)) }

func (w *jsonWriter) message(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	switch {
	case !m.IsValid():
		w.text("null")
		return
	case m.Descriptor().ParentFile().Package() == "google.protobuf": // a type with a form of its own
		text, err := protojson.Marshal(m.Interface())
		w.fail(err)
		_, _ = w.Write(text)
		return
	case fields.Len() == 0:
		w.text("{}")
		return
	}
	w.text("{")
	for i := range fields.Len() {
		f := fields.Get(i)
		if i > 0 {
			w.text(",")
		}
		w.line(depth + 1)
		w.text(strconv.Quote(string(f.Name())) + ": ")
		if f.IsList() {
			w.list(f, m.Get(f).List(), depth+1)
		} else {
			w.value(f, m.Get(f), depth+1)
		}
	}
	w.line(depth)
	w.text("}")
}

func (w *jsonWriter) list(f protoreflect.FieldDescriptor, list protoreflect.List, depth int) {
	if list.Len() == 0 {
		w.text("[]")
		return
	}
	w.text("[")
	for i := range list.Len() {
		if i > 0 {
			w.text(",")
		}
		w.line(depth + 1)
		w.value(f, list.Get(i), depth+1)
	}
	w.line(depth)
	w.text("]")
}

func (w *jsonWriter) value(f protoreflect.FieldDescriptor, v protoreflect.Value, depth int) {
	switch f.Kind() {
	case protoreflect.MessageKind:
		w.message(v.Message(), depth)
	case protoreflect.StringKind:
		w.string(v.String())
	case protoreflect.EnumKind:
		if named := f.Enum().Values().ByNumber(v.Enum()); named != nil {
			w.text(`"` + string(named.Name()) + `"`)
		} else {
			w.text(strconv.Itoa(int(v.Enum())))
		}
	case protoreflect.Int64Kind, protoreflect.Uint64Kind:
		w.text(`"` + v.String() + `"`) // JavaScript's numbers are not as long
	case protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.Uint32Kind:
		w.text(v.String())
	default:
		w.fail(fmt.Errorf("%s is of kind %s, which the schema had not until now", f.FullName(), f.Kind()))
	}
}

func (w *jsonWriter) string(s string) {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		w.text(`"` + s + `"`)
		return
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	w.fail(e.Encode(s))
	_, _ = w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func (w *jsonWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
