package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

// many is a Secret that was readable on each second day, so many times. The last one has not ended.
func many(intervals int, omitted uint32) *auditv1.Report {
	day := func(n int) *auditv1.Bounds {
		at := timestamppb.New(time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC))
		return &auditv1.Bounds{NotBefore: at, NotAfter: at, NotBeforeSource: "file time", NotAfterSource: "file time"}
	}
	t := &auditv1.Timeline{Resource: "secrets", Name: "a", Omitted: omitted}
	for i := range intervals {
		t.Readable = append(t.Readable, &auditv1.Interval{From: day(2 * i), Until: day(2*i + 1)})
	}
	t.Readable[intervals-1].Until = nil
	return &auditv1.Report{TimelineBasis: []*auditv1.TimelineBasis{{}}, Timelines: []*auditv1.Timeline{t}}
}

func TestManyIntervalsOfOneSecretAreShortened(t *testing.T) {
	for _, tc := range []struct {
		intervals   int
		omitted     uint32
		text, page  string
		items, bars int
	}{
		{3, 0, "readable from 2026-01-03", "", 3, 3},
		{2, 50, "50 times more", "50 times more", 3, 3},
		{10, 0, "8 times more", "", 10, 10},
		{11, 0, "9 times more", "2 times more", 10, 10},
		{1000, 4000, "4998 times more", "4991 times more", 10, 10},
	} {
		var text, page bytes.Buffer
		testkit.Check(t, report.Table(&text, many(tc.intervals, tc.omitted), false))
		testkit.Check(t, report.HTML(&page, many(tc.intervals, tc.omitted)))
		words := strings.Join(strings.Fields(text.String()), " ")
		if !strings.Contains(words, tc.text) || !strings.Contains(words, "until now") {
			t.Errorf("%d intervals: %s", tc.intervals, words)
		}
		_, section, _ := strings.Cut(page.String(), `<section id="timeline"`)
		section, _, _ = strings.Cut(section, "</section>")
		if n := strings.Count(section, `class="maybe"`); n != tc.bars || !strings.Contains(section, tc.page) || !strings.Contains(section, "until now") {
			t.Errorf("%d intervals: %d bars in %.3000s", tc.intervals, n, section)
		}
		_, list, _ := strings.Cut(section, `data-label="Readable"`)
		list, _, _ = strings.Cut(list, "</ul>")
		if n := strings.Count(list, "<li>"); n != tc.items {
			t.Errorf("%d intervals: %d are listed", tc.intervals, n)
		}
	}
}

// A bar without a gap says that it may have been readable all that time, which is no less than is
// known.
func TestTheBarHoldsTheIntervalsThatAreNotShown(t *testing.T) {
	var page bytes.Buffer
	testkit.Check(t, report.HTML(&page, many(500, 0)))
	// The whole is 998 days. The first eight intervals are 15 of them, the last one begins with
	// the end, and no part is narrower than 4.
	for _, bar := range []string{`class="maybe" x="14" width="4"`, `class="maybe" x="16" width="985"`, `class="maybe" x="1000" width="4"`} {
		if !strings.Contains(page.String(), bar) {
			t.Errorf("there is no %s", bar)
		}
	}
}

func TestOneObjectIsCountedAsOne(t *testing.T) {
	for objects, says := range map[uint32]string{0: "0 objects were readable", 1: "1 object was readable", 2: "2 objects were readable"} {
		r := many(1, 0)
		r.TimelineBasis[0].Objects = objects
		var text bytes.Buffer
		testkit.Check(t, report.Table(&text, r, false))
		if !strings.Contains(text.String(), "Credentials to change: "+says+" in what was read\n") {
			t.Errorf("%d: %s", objects, text.String())
		}
	}
}
