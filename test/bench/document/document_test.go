package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/bench/record"
)

func TestOnlyWhatStandsBetweenTheMarkersIsReplaced(t *testing.T) {
	page := "before\n<!-- begin a -->\nold\n<!-- end a -->\nafter\n<!-- begin b -->\n<!-- end b -->\n"
	got, err := insert([]byte(page), "a", "new\n")
	want := "before\n<!-- begin a -->\n\nnew\n\n<!-- end a -->\nafter\n<!-- begin b -->\n<!-- end b -->\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	again, err := insert(got, "a", "new\n")
	if err != nil || string(again) != want {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for _, name := range []string{"c", "a -->\nold"} {
		if _, err := insert([]byte(page), name, "new"); err == nil {
			t.Errorf("%q was written though the page has no place for it", name)
		}
	}
	if _, err := insert([]byte("<!-- begin a -->\n"), "a", "new"); err == nil {
		t.Error("a begin without an end was accepted")
	}
}

// samples is a latency of which every sample took as long.
func samples(subject, floor time.Duration, limits ...record.Limit) record.Entry {
	l := &record.Latency{Subject: "it", Limits: limits, Samples: 1000, SubjectTimes: record.Curve([]time.Duration{subject})}
	if floor > 0 {
		l.Floor, l.FloorTimes = "nothing", record.Curve([]time.Duration{floor})
	}
	return record.Entry{Latency: l}
}

func TestAFigureIsReachedOnlyWithinItsLimit(t *testing.T) {
	bound := func(v float64) *float64 { return &v }
	counted := func(v float64, most, least *float64) record.Entry {
		return record.Entry{Figure: &record.Figure{What: "it", Value: v, Most: most, Least: least}}
	}
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		entry    record.Entry
		reached  bool
		demanded bool
	}{
		"a ratio at its limit":          {samples(26*ms, 20*ms, record.Limit{At: .5, Ratio: 1.3}), true, true},
		"a ratio above it":              {samples(27*ms, 20*ms, record.Limit{At: .5, Ratio: 1.3}), false, true},
		"a time within its limit":       {samples(49*ms, 0, record.Limit{At: .9, Time: 50 * ms}), true, true},
		"a time beyond it":              {samples(51*ms, 0, record.Limit{At: .9, Time: 50 * ms}), false, true},
		"as many as allowed":            {counted(4, bound(4), nil), true, true},
		"more than allowed":             {counted(5, bound(4), nil), false, true},
		"none where none is allowed":    {counted(0, bound(0), nil), true, true},
		"one where none is allowed":     {counted(1, bound(0), nil), false, true},
		"less where growth is bounded":  {counted(-3, bound(1), nil), true, true},
		"as much as must be":            {counted(4, nil, bound(4)), true, true},
		"less than must be":             {counted(3.9, nil, bound(4)), false, true},
		"what nothing is demanded of":   {counted(100, nil, nil), true, false},
		"the floor with several limits": {samples(26*ms, 20*ms, record.Limit{At: .99, Ratio: 2}), true, true},
	} {
		all := verdicts([]record.Entry{c.entry})
		if len(all) != 1 || all[0].demanded() != c.demanded || c.demanded && all[0].reached() != c.reached {
			t.Errorf("%s: %+v", name, all)
		}
		if table := targetTable(all); strings.Contains(table, "**no**") == (c.reached || !c.demanded) {
			t.Errorf("%s: the table says\n%s", name, table)
		}
	}
}

func TestTheTableLeavesOutQuantilesOfTooFewSamples(t *testing.T) {
	const ms = time.Millisecond
	table := latencyTable(record.Latencies([]record.Entry{samples(3*ms, 2*ms)}))
	if want := "| it | nothing | 3.0 / 2.0 = 1.50× | 3.0 / 2.0 = 1.50× | 3.0 / 2.0 = 1.50× |  | 1000 |\n"; !strings.HasSuffix(table, want) {
		t.Errorf("got\n%s", table)
	}
}

func TestASectionHasOnlyItsOwnEntriesAndPart(t *testing.T) {
	const ms = time.Millisecond
	plugin, files := samples(3*ms, 2*ms), samples(5*ms, 4*ms)
	files.Section, files.Latency.Subject = "offline", "files"
	parts := tables([]record.Entry{plugin, files})
	if len(parts) != 4 || strings.Contains(parts["latencies"], "files") || !strings.Contains(parts["offline"], "| files | nothing | 5.0 / 4.0") {
		t.Errorf("%v", parts)
	}
	parts = tables([]record.Entry{files})
	if len(parts) != 1 || parts["offline"] == "" {
		t.Errorf("of one section alone: %v", parts)
	}
	if all := drawings([]record.Entry{files}); len(all) != 1 || all[0].Name != "offline" {
		t.Errorf("drawings of one section alone: %v", all)
	}
}
