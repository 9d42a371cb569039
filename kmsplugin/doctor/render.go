package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// Paint puts an outcome's word into a colour; it returns it as it is where
// there is none.
type Paint func(o check.Status, word string) string

// Table writes results for people: a line for each, and below it, unless it
// passed, why it matters and what to do.
func Table(w io.Writer, results []Result, paint Paint) error {
	var lines strings.Builder
	t := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\n", r.ID, oneLine(r.Title, r.Subject, r.Found))
	}
	_ = t.Flush() // into memory

	// The outcome is put before the columns: a colour would count as width.
	var b strings.Builder
	i := 0
	for line := range strings.Lines(lines.String()) {
		r := results[i]
		word := strings.ToUpper(r.Outcome.String())
		fmt.Fprintf(&b, "%s%*s  %s", paint(r.Outcome, word), widest-len(word), "", line)
		if r.Outcome != check.Pass {
			fmt.Fprintf(&b, "%*swhy: %s\n%*sdo:  %s\n", indent, "", term.Printable(r.Why), indent, "", term.Printable(r.Do))
		}
		i++
	}
	fmt.Fprintf(&b, "\n%s\n", summary(results))
	_, err := io.WriteString(w, b.String())
	return err
}

// widest is the length of the longest outcome.
const widest = len("not evaluated")

// indent is where the words of a line begin, after outcome and id.
const indent = widest + 2 + len("KD-101") + 2

func oneLine(title, subject, found string) string {
	if subject != "" {
		title += ", " + subject
	}
	// A list of mistakes has one a line; here everything stands in one.
	return term.Printable(title + ": " + strings.ReplaceAll(found, "\n", "; "))
}

func summary(results []Result) string {
	count := map[check.Status]int{}
	for _, r := range results {
		count[r.Outcome]++
	}
	return fmt.Sprintf("%d checked: %d pass, %d warn, %d fail, %d not evaluated",
		len(results), count[check.Pass], count[check.Warn], count[check.Fail], count[check.NotEvaluated])
}

// JSON writes results for programs.
func JSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Results []Result `json:"results"`
		Status  int      `json:"status"`
	}{results, ExitStatus(results)})
}
