package proto_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

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
func schema() []string {
	return append(schemaOf(auditv1.File_sealproof_audit_v1_report_proto), schemaOf(auditv1.File_sealproof_audit_v1_register_proto)...)
}

func TestWhatIsNestedAndOptionalIsListed(t *testing.T) {
	lines := schemaOf(descriptorpb.File_google_protobuf_descriptor_proto)
	for _, want := range []string{
		"google.protobuf.FieldDescriptorProto.TYPE_DOUBLE = 1", "google.protobuf.UninterpretedOption.NamePart.name_part = 1 required string namePart",
		"google.protobuf.FieldDescriptorProto.type_name = 6 optional string typeName explicit",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
}

// schemaOf lists what a file or a message holds.
func schemaOf(in interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
}) (lines []string) {
	for i := range in.Messages().Len() {
		m := in.Messages().Get(i)
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			presence := ""
			if f.HasOptionalKeyword() {
				presence = "explicit"
			}
			lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("%s = %d %s %s %s %s %s", f.FullName(), f.Number(), f.Cardinality(), f.Kind(), of(f), f.JSONName(), presence)), " "))
		}
		lines = append(lines, schemaOf(m)...)
	}
	for i := range in.Enums().Len() {
		e := in.Enums().Get(i)
		for j := range e.Values().Len() {
			lines = append(lines, fmt.Sprintf("%s = %d", e.Values().Get(j).FullName(), e.Values().Get(j).Number()))
		}
	}
	return lines
}

func of(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return string(f.Message().FullName())
	case f.Enum() != nil:
		return string(f.Enum().FullName())
	default:
		return ""
	}
}
