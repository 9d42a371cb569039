package proto_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

var update = flag.Bool("update", false, "add what is new to the list of fields")

const published = "testdata/audit.v1.txt"

// Reports are kept, and compared with later ones. So whatever has stood in the schema
// stays there: see README.md. The list only grows.
func TestNothingThatWasPublishedIsTakenBack(t *testing.T) {
	text, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	before, now := strings.Split(strings.TrimSpace(string(text)), "\n"), schema()
	for _, line := range before {
		if !slices.Contains(now, line) {
			t.Errorf("removed or changed, which v1 does not allow: %s", line)
		}
	}
	added := slices.DeleteFunc(slices.Clone(now), func(line string) bool { return slices.Contains(before, line) })
	switch {
	case len(added) == 0 || t.Failed():
	case *update:
		if err := os.WriteFile(published, []byte(strings.Join(now, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("new (run with -update if this is meant):\n%s", strings.Join(added, "\n"))
	}
}

// schema has a line for each field and each value of an enum.
func schema() (lines []string) {
	file := auditv1.File_sealproof_audit_v1_report_proto
	for i := range file.Messages().Len() {
		m := file.Messages().Get(i)
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s.%s = %d %s %s %s", m.Name(), f.Name(), f.Number(), f.Cardinality(), f.Kind(), of(f))))
		}
	}
	for i := range file.Enums().Len() {
		e := file.Enums().Get(i)
		for j := range e.Values().Len() {
			lines = append(lines, fmt.Sprintf("%s = %d", e.Values().Get(j).Name(), e.Values().Get(j).Number()))
		}
	}
	return lines
}

func of(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return string(f.Message().Name())
	case f.Enum() != nil:
		return string(f.Enum().Name())
	default:
		return ""
	}
}
