// Package report writes the report model of proto/sealproof/audit/v1. Its writers know
// the model and nothing else.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// JSON writes the report in protobuf's JSON mapping with the names of the
// schema. Everything is in it, empty fields included.
func JSON(w io.Writer, r *auditv1.Report) error {
	compact, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	// protojson varies its spaces on purpose; a report must not differ from
	// another one with the same content.
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return fmt.Errorf("indent the report: %w", err)
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}
