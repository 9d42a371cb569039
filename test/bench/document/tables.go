package main

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/test/bench/record"
)

// tables returns the parts of the page by their names, those of the sections that were measured.
func tables(entries []record.Entry) map[string]string {
	parts := map[string]string{}
	for section, of := range sections(entries) {
		if section == "" {
			parts["machine"] = machineLine(of) + "Vault (Raft on disk, TLS), the callers and the plugin share these cores.\n"
			parts["targets"] = targetTable(verdicts(of))
			parts["latencies"] = latencyTable(record.Latencies(of))
			continue
		}
		parts[section] = machineLine(of) + "\n" + targetTable(verdicts(of)) + "\n" + latencyTable(record.Latencies(of))
	}
	return parts
}

// sections are the entries by the part of the page that they belong to.
func sections(entries []record.Entry) map[string][]record.Entry {
	all := map[string][]record.Entry{}
	for _, e := range entries {
		all[e.Section] = append(all[e.Section], e)
	}
	return all
}

func machineLine(entries []record.Entry) string {
	m := entries[len(entries)-1].Machine
	return fmt.Sprintf("Measured on %s: %d cores (%s), %s, %s.\n", m.At.Format("2006-01-02"), m.Cores, m.CPU, m.Kernel, m.Go)
}

func targetTable(all []verdict) string {
	var t strings.Builder
	t.WriteString("| what | measured | must be | reached |\n| --- | --- | --- | --- |\n")
	for _, v := range all {
		reached := ""
		switch {
		case !v.demanded():
		case v.reached():
			reached = "yes"
		default:
			reached = "**no**"
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s |\n", v.what, v.measured, v.bound, reached)
	}
	return t.String()
}

// shown are the quantiles of the table, each with the samples it needs to be
// more than chance.
var shown = []struct {
	at      float64
	samples int
}{{.5, 3}, {.9, 50}, {.99, 500}, {.999, 10_000}}

func latencyTable(all []record.Merged) string {
	var t strings.Builder
	t.WriteString("| what | floor |")
	for _, q := range shown {
		t.WriteString(" " + record.QuantileName(q.at) + " |")
	}
	t.WriteString(" samples |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, l := range all {
		fmt.Fprintf(&t, "| %s | %s |", l.Subject, l.Floor)
		for _, q := range shown {
			t.WriteString(" " + latencyCell(l, q.at, q.samples) + " |")
		}
		fmt.Fprintf(&t, " %d |\n", l.Samples)
	}
	return t.String()
}

// latencyCell shows the subject's time, the floor's and their ratio, unless one
// run has too few samples to tell.
func latencyCell(l record.Merged, at float64, samples int) string {
	if l.Samples < samples*l.Runs {
		return ""
	}
	subject, _ := record.At(l.SubjectTimes, at)
	if l.Floor == "" {
		return milliseconds(subject)
	}
	floor, _ := record.At(l.FloorTimes, at)
	ratio, _ := record.At(l.Ratios, at)
	return fmt.Sprintf("%s / %s = %s", milliseconds(subject), milliseconds(floor), times(ratio))
}
