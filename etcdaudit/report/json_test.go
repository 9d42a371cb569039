package report_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestJSONIsWhatProtojsonWrites(t *testing.T) {
	odd := everything()
	odd.Tool.Name = "<a href=\"x\">\\ \t\x01\x7f ä €  & \u2028"
	odd.Verdict.Status = 99
	for name, r := range map[string]*auditv1.Report{"everything": odd, "nothing": {}} {
		var want, got bytes.Buffer
		compact := testkit.Must(protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(r))(t)
		testkit.Check(t, json.Indent(&want, compact, "", "  "))
		want.WriteByte('\n')
		testkit.Check(t, report.JSON(&got, r))
		// JSON in a script may not have these two as they are.
		if text := bytes.ReplaceAll(got.Bytes(), []byte(`\u2028`), []byte("\u2028")); !bytes.Equal(text, want.Bytes()) {
			t.Errorf("%s: %s\nwant %s", name, text, want.Bytes())
		}
	}
}
