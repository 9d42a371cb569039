package report

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// What is printed encloses what is known.
func TestPrintedBoundsAreNeverNarrower(t *testing.T) {
	at := func(text string) *timestamppb.Timestamp {
		parsed, err := time.Parse(time.DateTime, "2026-11-28 "+text)
		if err != nil {
			t.Fatal(err)
		}
		return timestamppb.New(parsed)
	}
	for want, b := range map[string]*auditv1.Bounds{
		"2026-11-28 10:11 + 2 min (a)":          {NotBefore: at("10:11:59"), NotAfter: at("10:12:35"), NotBeforeSource: "a", NotAfterSource: "a"},
		"2026-11-28 10:11 + 4 h (a, b)":         {NotBefore: at("10:11:30"), NotAfter: at("13:12:00"), NotBeforeSource: "a", NotAfterSource: "b"},
		"2026-11-28 10:12 + 0 min (a)":          {NotBefore: at("10:12:00"), NotAfter: at("10:12:00"), NotBeforeSource: "a", NotAfterSource: "a"},
		"2026-11-28 10:13 or before (clock)":    {NotAfter: at("10:12:01"), NotAfterSource: "clock"},
		"2026-11-28 10:12 or after (file time)": {NotBefore: at("10:12:59"), NotBeforeSource: "file time"},
		"a time that is not known":              {},
	} {
		if got := within(b); got != want {
			t.Errorf("%v: %s, want %s", b, got, want)
		}
	}
}
