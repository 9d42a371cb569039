package report

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Longest is how many bytes a stored report may have: several times those of one that names as
// many objects as the auditor does.
const Longest = 256 << 20

// ErrNotAReport is returned for JSON that is something else.
var ErrNotAReport = errors.New("this is no report that etcdaudit wrote with --output json")

// Read reads a report that JSON wrote, of at most so many bytes. Fields and names of values that this version does not
// know are left out, as proto/README.md promises; an unknown status is then none at all, and
// no pass. The file may come from another machine: texts in it are made printable, so that no
// writer has to.
func Read(from io.Reader, longest int64) (*auditv1.Report, error) {
	r := &auditv1.Report{}
	err := read(from, longest, r, ErrNotAReport)
	if err == nil && (r.Verdict == nil || r.Tool.GetName() == "") {
		err = ErrNotAReport
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// ErrNotARegister is returned for JSON that is something else.
var ErrNotARegister = errors.New("this is no register of keys that etcdaudit key-usage wrote with --output json")

// ReadRegister reads a register of keys that JSON wrote, as Read reads a report.
func ReadRegister(from io.Reader, longest int64) (*auditv1.KeyRegister, error) {
	r := &auditv1.KeyRegister{}
	err := read(from, longest, r, ErrNotARegister)
	if err == nil && (r.Time == nil || r.Status == auditv1.Status_STATUS_UNSPECIFIED || r.Tool.GetName() == "") {
		err = ErrNotARegister
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func read(from io.Reader, longest int64, into proto.Message, not error) error {
	text, err := io.ReadAll(io.LimitReader(from, longest+1))
	switch {
	case err != nil:
		return err
	case int64(len(text)) > longest:
		return fmt.Errorf("it has more than %d bytes, which are not read", longest)
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: %w", not, err)
	}
	return printable(into)
}

// printable makes every text of a message safe to be shown (see term.Printable).
func printable(r proto.Message) error {
	return protorange.Range(r.ProtoReflect(), func(v protopath.Values) error {
		at, holder := v.Index(-1), v.Index(-2)
		text, ok := at.Value.Interface().(string)
		if !ok {
			return nil
		}
		safe := term.Printable(text)
		if safe == text {
			return nil
		}
		switch value := protoreflect.ValueOfString(safe); at.Step.Kind() {
		case protopath.ListIndexStep:
			holder.Value.List().Set(at.Step.ListIndex(), value)
		case protopath.FieldAccessStep:
			holder.Value.Message().Set(at.Step.FieldDescriptor(), value)
		default: // the schema has no maps
		}
		return nil
	})
}
