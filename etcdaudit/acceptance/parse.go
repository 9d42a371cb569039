package acceptance

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sealproof/sealproof/internal/term"
)

// The limits of a file of accepted risks.
const (
	MostBytes   = 1 << 20
	mostEntries = 10_000
	longestText = 1000
)

// keys are those of an entry, in the order in which they are written.
func keys() []string {
	return []string{"check", "object", "fingerprint", "node", "owner", "reason", "compensating-control", "expires"}
}

// isFingerprint reports whether a text is 16 bytes in hexadecimal, as proto/README.md has it.
func isFingerprint(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// Parse reads a file of accepted risks: one YAML document with a list of entries, of at most
// MostBytes. known are the ids of all checks. An empty document has no entries. The error has
// one line for each mistake, with the file's name and the line; a date that is over is none,
// see Apply.
func Parse(name string, text []byte, known []string) ([]Entry, error) {
	fail := func(format string, args ...any) ([]Entry, error) {
		return nil, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...))
	}
	if len(text) > MostBytes {
		return fail("more than %d bytes are not read", MostBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return fail("%s", noYAML(err))
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		return fail("line %d: a second document: put all entries into one list", next.Line)
	case !errors.Is(err, io.EOF):
		return fail("%s", noYAML(err))
	}
	list := document.Content[0]
	switch {
	case list.Kind == yaml.ScalarNode && list.Tag == "!!null":
		return nil, nil
	case list.Kind != yaml.SequenceNode:
		return fail("line %d: want a list of entries, each with %s", list.Line, strings.Join(keys(), ", "))
	case len(list.Content) > mostEntries:
		return fail("more than %d entries are not read", mostEntries)
	}
	r := reader{name: name, known: known, lines: map[[3]string]int{}}
	for _, node := range list.Content {
		r.entry(node)
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return r.entries, nil
}

// noYAML is what the library says of a text that is no YAML, in one line.
func noYAML(err error) string {
	return term.Printable(strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: "))
}

type reader struct {
	name    string
	known   []string
	entries []Entry
	// lines are those of what was accepted already.
	lines map[[3]string]int
	errs  []error
}

func (r *reader) fail(line int, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.name, line, fmt.Sprintf(format, args...)))
}

// entry reads one entry, or says everything that is wrong with it.
func (r *reader) entry(node *yaml.Node) {
	before := len(r.errs)
	if node.Kind != yaml.MappingNode {
		r.fail(node.Line, "want an entry with %s", strings.Join(keys(), ", "))
		return
	}
	values := map[string]string{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if _, twice := values[key.Value]; twice {
			r.fail(key.Line, "%s is given twice", key.Value)
		} else if slices.Contains(keys(), key.Value) {
			values[key.Value] = r.text(key, value)
		} else {
			r.fail(key.Line, "unknown key %s: want %s", term.Printable(fmt.Sprintf("%.50q", key.Value)), strings.Join(keys(), ", "))
		}
	}
	e := Entry{
		Check: values["check"], Object: values["object"], Fingerprint: values["fingerprint"], Node: values["node"],
		Owner: values["owner"], Reason: values["reason"], CompensatingControl: values["compensating-control"],
		Source: fmt.Sprintf("%s, line %d", r.name, node.Line),
	}
	for _, key := range []string{"check", "owner", "reason", "expires"} {
		if values[key] == "" {
			r.fail(node.Line, "%s is missing", key)
		}
	}
	switch {
	case e.Check == "":
	case e.Check == expiredID || e.Check == unusedID:
		r.fail(node.Line, "%s is about this file, and cannot be accepted in it", e.Check)
	case !slices.Contains(r.known, e.Check):
		r.fail(node.Line, "there is no check %q: etcdaudit rules lists them", e.Check)
	}
	switch {
	case e.Object == "" && e.Fingerprint == "":
		r.fail(node.Line, "object and fingerprint are missing, and one of them is needed: a finding is accepted, never a whole check")
	case e.Fingerprint != "" && !isFingerprint(e.Fingerprint):
		r.fail(node.Line, "fingerprint %q: want the 32 hexadecimal digits that the report shows", e.Fingerprint)
	}
	if day := values["expires"]; day != "" {
		var err error
		if e.Expires, err = time.Parse(dateLayout, day); err != nil || e.Expires.Year() < 1 { // a report cannot hold year 0
			r.fail(node.Line, "expires %q: want a day, such as 2027-06-30", day)
		}
	}
	if len(r.errs) > before {
		return
	}
	identity := [3]string{e.Check, cmp.Or(e.Fingerprint, e.Object), e.Node}
	if first, twice := r.lines[identity]; twice {
		r.fail(node.Line, "the same is accepted in line %d", first)
		return
	}
	r.lines[identity] = node.Line
	r.entries = append(r.entries, e)
}

// text reads a value, which stands in one line of a report whatever its lines were.
func (r *reader) text(key, value *yaml.Node) string {
	if value.Kind != yaml.ScalarNode {
		r.fail(value.Line, "%s: want a text", key.Value)
		return ""
	}
	if value.Tag == "!!null" {
		return ""
	}
	text := strings.Join(strings.Fields(value.Value), " ")
	switch {
	case len(text) > longestText:
		r.fail(value.Line, "%s: more than %d bytes are not read", key.Value, longestText)
	case term.Printable(text) != text:
		r.fail(value.Line, "%s: it has characters that cannot be printed", key.Value)
	}
	return text
}
