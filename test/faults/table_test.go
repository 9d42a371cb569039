package faults

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// document holds the results between these lines.
const (
	document   = "../../docs/outages.md"
	tableBegin = "<!-- measured by go test ./test/faults -update -->\n\n"
	tableEnd   = "\n<!-- end of what was measured -->\n"
)

// notAsked stands where a fault leaves nothing to ask.
const notAsked = "-"

// row is what one fault led to.
type row struct {
	fault string // and how it was made
	how   string
	// gRPC codes by name.
	status, encrypt, held, cold, direct string
	longest, back                       string // durations
	livez                               string
	end                                 string
}

func header() row {
	return row{
		fault: "fault", how: "made by", status: "Status", encrypt: "Encrypt", held: "Decrypt, held",
		cold: "Decrypt, not held", direct: "Encrypt with `envelope: vault`",
		longest: "longest call", back: "whole again after", livez: "/livez", end: "in the end",
	}
}

func (r row) cells() []string {
	return []string{r.fault, r.how, r.status, r.encrypt, r.held, r.cold, r.direct, r.longest, r.back, r.livez, r.end}
}

func (r row) String() string { return "| " + strings.Join(r.cells(), " | ") + " |\n" }

// durations differ from run to run.
func durations() *regexp.Regexp { return regexp.MustCompile(`[0-9][0-9.]*(ms|s|m[0-9.]+s)\b`) }

// verdict is a row without what may differ between two good runs.
func verdict(row string) string { return durations().ReplaceAllString(row, "TIME") }

// seconds rounds a duration to what is worth publishing.
func seconds(d time.Duration) string {
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// results collects rows by fault, from tests that run at the same time.
type results struct {
	mu   sync.Mutex
	rows map[string]row
}

func (r *results) add(t *testing.T, one row) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(catalogue(), one.fault) {
		t.Errorf("the fault %q is not in the catalogue", one.fault)
	}
	if _, twice := r.rows[one.fault]; twice {
		t.Errorf("the fault %q was measured twice", one.fault)
	}
	if r.rows == nil {
		r.rows = map[string]row{}
	}
	r.rows[one.fault] = one
}

// merge returns the lines of a table for the catalogue: what was measured now,
// and for the rest what was measured before.
func merge(catalogue, before []string, rows map[string]row) []string {
	var lines []string
	for _, fault := range catalogue {
		if r, ok := rows[fault]; ok {
			lines = append(lines, r.String())
			continue
		}
		for _, old := range before {
			if strings.HasPrefix(old, "| "+fault+" |") {
				lines = append(lines, old)
			}
		}
	}
	return lines
}

// compare says where the table has another verdict than what was measured now.
func compare(catalogue, table []string, rows map[string]row) error {
	if len(table) != len(catalogue) {
		return fmt.Errorf("%s has %d rows, there are %d faults", document, len(table), len(catalogue))
	}
	for i, fault := range catalogue {
		if !strings.HasPrefix(table[i], "| "+fault+" |") {
			return fmt.Errorf("row %d of %s should be %q, but is\n%s", i+1, document, fault, table[i])
		}
		if r, ok := rows[fault]; ok && verdict(r.String()) != verdict(table[i]) {
			return fmt.Errorf("%s is no longer what happens (`go test ./test/faults -update` renews it)\nthere: %s\nnow:   %s", document, table[i], r)
		}
	}
	return nil
}

// split takes a document apart into what precedes the rows, the rows, and what
// follows them.
func split(text string) (before string, rows []string, after string, err error) {
	head := tableBegin + header().String() + "|" + strings.Repeat(" --- |", len(header().cells())) + "\n"
	before, rest, ok := strings.Cut(text, head)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return "", nil, "", fmt.Errorf("%s has no table between its markers, with this head:\n%s", document, head)
	}
	return before + head, slices.Collect(strings.Lines(table)), tableEnd + after, nil
}

// settle compares what was measured with the document, or renews that.
func (r *results) settle(update bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, table, after, err := split(string(text))
	if err != nil {
		return err
	}
	if update {
		table = merge(catalogue(), table, r.rows)
		text := before + strings.Join(table, "") + after
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return compare(catalogue(), table, r.rows)
}

func TestATableIsComparedInAllButDurations(t *testing.T) {
	names := []string{"hung", "sealed"}
	hung := row{fault: "hung", status: "OK", longest: "2.5s", end: "refused after 1m2.5s"}
	sealed := row{fault: "sealed", status: "OK", longest: "20ms"}
	table := []string{hung.String(), sealed.String()}
	slower, other := hung, hung
	slower.longest, slower.end = "310ms", "refused after 58s"
	other.status = "Unavailable"
	for name, tc := range map[string]struct {
		table   []string
		now     []row
		wantErr string
	}{
		"the same":                  {table, []row{hung, sealed}, ""},
		"other durations":           {table, []row{slower, sealed}, ""},
		"one was not measured":      {table, []row{sealed}, ""},
		"another code":              {table, []row{other, sealed}, "no longer what happens"},
		"a row is missing":          {table[:1], nil, "has 1 rows"},
		"rows in another order":     {[]string{table[1], table[0]}, nil, "row 1"},
		"a row of no fault we know": {[]string{table[0], "| flooded | |\n"}, nil, "row 2"},
	} {
		t.Run(name, func(t *testing.T) {
			rows := map[string]row{}
			for _, r := range tc.now {
				rows[r.fault] = r
			}
			err := compare(names, tc.table, rows)
			if (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error is %v, want %q", err, tc.wantErr)
			}
		})
	}
	if got := merge(names, table, map[string]row{"hung": other}); !slices.Equal(got, []string{other.String(), table[1]}) {
		t.Errorf("merged to %q", got)
	}
}

func TestTheDocumentHasARowForEveryFault(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _, err := split(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		return // it is being written
	}
	if err := compare(catalogue(), table, nil); err != nil {
		t.Error(err)
	}
}
