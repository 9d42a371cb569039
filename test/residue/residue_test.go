package residue_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/residue"
	"github.com/sealproof/sealproof/test/residue/truth"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestEveryCopyIsReported(t *testing.T) {
	s := newScenario(t)
	s.play()
	s.overwrite("compacted", 4)
	s.forget("planted")
	s.goBack("defragmented", "planted")
	all := map[truth.Layer]residue.Tally{}
	for _, step := range s.steps {
		files := testkit.Must(s.ledger.Files(step.paths...))(t)
		s.expect(step, files)
		c := residue.Compare(files, s.scan(step))
		for layer, tally := range c.Layers {
			sum := all[layer]
			sum.Intact, sum.Reported = sum.Intact+tally.Intact, sum.Reported+tally.Reported
			sum.Headless, sum.Pieces = sum.Headless+tally.Headless, sum.Pieces+tally.Pieces
			all[layer] = sum
		}
		show(t, step.name+": in the report and not in the files", c.False)
		show(t, step.name+": pieces of values that are in no fragment", c.Lost)
		show(t, step.name+": not reported", c.Missed)
	}
	for layer, tally := range all {
		t.Logf("%s: %d of %d canaries with their head are reported; %d of %d without it are in a fragment", layer, tally.Reported, tally.Intact, tally.Pieces, tally.Headless)
		// Free pages can be taken into use at any time, and only there, and behind the end of a
		// log, something may be missed.
		least := tally.Intact
		if layer == truth.FreePages || layer == truth.BeyondPages || layer == truth.BehindLog {
			least -= tally.Intact / 1000
		}
		if tally.Reported < least || tally.Pieces < tally.Headless {
			t.Errorf("%s: %d of %d canaries with their head are reported, and of %d without it %d are in a fragment", layer, tally.Reported, tally.Intact, tally.Headless, tally.Pieces)
		}
	}
}

// show prints the first deviations. Those that are false are errors.
func show(t *testing.T, what string, all []residue.Deviation) {
	t.Helper()
	if len(all) == 0 {
		return
	}
	const most = 20
	var text strings.Builder
	for _, d := range all[:min(len(all), most)] {
		fmt.Fprintf(&text, "\n  %s", d)
	}
	t.Errorf("%s, %d:%s", what, len(all), text.String())
}

// scan runs the auditor on the files of a step.
func (s *scenario) scan(step step) *auditv1.Report {
	s.t.Helper()
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(s.ctx, s.auditor, append([]string{"scan", "--output", "json"}, step.paths...)...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run() // its status says that there are findings
	report := new(auditv1.Report)
	if jsonErr := protojson.Unmarshal(out.Bytes(), report); jsonErr != nil {
		s.t.Fatalf("scan %s: %v\n%s%v", step.name, err, messages.String(), jsonErr)
	}
	return report
}

// expect looks whether the scenario has done what it is for. What is where is known from what
// etcd does: it does not depend on what the truth makes of the files.
func (s *scenario) expect(step step, files []*truth.File) {
	s.t.Helper()
	all, kept := 0, 0 // canaries, and those that stay live to the end
	for _, w := range s.ledger.Writes() {
		all += 2
		if _, err := s.etcd.Get(s.ctx, w.Key, 0); err == nil && w.Kind != "Secret" {
			kept += 2
		}
	}
	logs, segments := 0, 0
	for _, f := range files {
		n, headless := map[truth.Layer]int{}, 0
		for _, o := range f.Occurrences {
			n[o.Layer]++
			if !o.Intact {
				headless++
			}
		}
		s.t.Logf("%s: %s: %v, %d of them without their head", step.name, f.Name, n, headless)
		logs += n[truth.Log]
		if n[truth.Log] > 0 {
			segments++
		}
		ok := n[truth.NoElement] == 0 && n[truth.Other] == 0
		if step.name == "forgotten" {
			ok = ok && n[truth.Log] > 50 && n[truth.BehindLog] > 50
		} else {
			ok = ok && n[truth.BehindLog] == 0
		}
		if f.Database() {
			switch step.name {
			case "planted":
				ok = ok && n[truth.Live]+n[truth.History] == all && n[truth.History] > 0
			case "rewritten":
				ok = ok && n[truth.Live] == kept && n[truth.History] == all-kept
			case "compacted":
				ok = ok && n[truth.Live] == kept && n[truth.History] == 0 && n[truth.FreePages] > (all-kept)*9/10
				s.compacted = n[truth.FreePages]
			case "reused":
				// Which pages are taken into use is left to chance: bbolt takes them out of a map.
				ok = ok && n[truth.Live] == kept && n[truth.History] == 0 && n[truth.FreePages] > 0 && n[truth.FreePages] < s.compacted
			case "overwritten":
				ok = ok && n[truth.Live] == kept && n[truth.FreePages] > all/4 && headless > 10
			case "back":
				ok = ok && n[truth.Live] == kept && n[truth.BeyondPages] > (all-kept)/2 && n[truth.History] == 0
			case "defragmented":
				ok = ok && n[truth.Live] == kept && len(f.Occurrences) == kept
			}
		}
		if !ok {
			s.t.Errorf("%s: %s does not hold what the scenario has left in it: %v of %d, %d of them without their head, %d live to the end", step.name, f.Name, n, all, headless, kept)
		}
	}
	if len(step.paths) > 1 && (logs != all || segments != 2) {
		s.t.Errorf("%s: %d segments of the log hold %d canaries, and %d were written", step.name, segments, logs, all)
	}
}
