package runbook_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// The titles of the steps that clear the log, and of the last one, which this test does itself
// for every member.
const (
	byReplacing = "Clear the write-ahead log by replacing every member"
	orByAgeing  = "Or age the write-ahead log, instead of replacing members"
	byAgeing    = "Clear the write-ahead log of every member"
)

func TestReplacingMembersLeavesNothing(t *testing.T) {
	t.Parallel()
	carryOut(t, 3, byReplacing, orByAgeing)
}

func TestAgeingTheLogLeavesNothing(t *testing.T) {
	t.Parallel()
	carryOut(t, 3, orByAgeing, byReplacing)
}

func TestAgeingTheLogOfOneMemberLeavesNothing(t *testing.T) {
	t.Parallel()
	carryOut(t, 1, byAgeing, "")
}

// Before 3.6 a new member gets the old entries from the leader's log.
func TestMembersOf35AreNotReplaced(t *testing.T) {
	t.Parallel()
	s := newSetup(t, components.Etcd35, 1)
	s.plant()
	for _, step := range s.scan(s.copyStopped(s.nodes[0]), 1).GetRunbook() {
		if step.GetTitle() == byAgeing && strings.Contains(step.GetWhy(), "before 3.6 (here 3.5.0)") && strings.Contains(step.GetCost(), "--snapshot-count 100000") {
			return
		}
	}
	t.Error("no step ages the log, and says why members are not replaced")
}

// carryOut executes the runbook of a scan, but for one of its steps, and looks for what is left.
func carryOut(t *testing.T, members int, with, without string) {
	s := newSetup(t, components.Etcd, members)
	s.plant()
	var copied string
	for i, n := range s.nodes {
		if copies, in := s.left(n); copies < 2*secrets || len(in) < 2 {
			t.Fatalf("of %d values %s has %d copies: %v", secrets, n.address, copies, in)
		}
		if i == 0 {
			copied = s.copyStopped(n)
		}
	}
	report := s.scan(copied, 1)
	var script []string
	found := false
	for _, step := range report.GetRunbook() {
		if step.GetTitle() != without {
			script = append(script, step.GetCommands()...)
		}
		found = found || step.GetTitle() == with
	}
	if last := len(script) - 1; !found || script[last] != "etcdaudit scan "+copied {
		t.Fatalf("no %q, or no scan at the end:\n%s", with, strings.Join(script, "\n"))
	}
	script = script[:len(script)-1] // of each member below
	for i, line := range script {
		switch {
		case strings.HasPrefix(line, "data="): // that of the copy
			script[i] = "data=/var/lib/etcd; wal=$data/member/wal"
		case with == orByAgeing:
			script[i] = strings.Replace(line, "# age ", "age ", 1)
		}
	}
	before := s.memberNames()
	began := time.Now()
	s.run(strings.Join(script, "\n") + "\n")
	t.Logf("the runbook took %s", time.Since(began).Round(time.Second))

	if after := s.memberNames(); after != before {
		t.Errorf("members %s, before %s", after, before)
	}
	for i := range secrets {
		if got := testkit.Must(s.client.Get(s.ctx, key(i), clientv3.WithCountOnly()))(t); got.Count != 1 {
			t.Errorf("%s is lost", key(i))
		}
	}
	s.use()
	for _, n := range s.nodes {
		if copies, in := s.left(n); copies > 0 {
			t.Errorf("%s has %d copies of plaintext: %v", n.address, copies, in)
		}
		s.cleared(n)
	}
}

// cleared scans a member's data, copied while it was stopped.
func (s *setup) cleared(n *node) {
	s.t.Helper()
	report := s.scan(s.copyStopped(n), 0)
	if len(report.GetRunbook()) > 0 {
		s.t.Errorf("%s: there is something to do: %v", n.address, report.GetRunbook())
	}
	layers := map[string]bool{}
	for _, scope := range report.GetScopes() {
		layers[scope.GetLayer()] = true
	}
	for _, layer := range []string{"live", "history", "free-pages", "wal"} {
		if !layers[layer] {
			s.t.Errorf("%s: the layer %s was not read", n.address, layer)
		}
	}
	for _, put := range []string{n.dropIn(), filepath.Join(n.root, "etc/kubernetes/etcd.yaml.runbook"), n.dataDir() + "/member.replaced"} {
		if _, err := os.Stat(put); err == nil {
			s.t.Errorf("%s is left", put)
		}
	}
}

// copyStopped copies the data directory while etcd is stopped, and starts it again.
func (s *setup) copyStopped(n *node) string {
	s.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	testkit.Check(s.t, n.stop())
	to := filepath.Join(s.t.TempDir(), "etcd")
	testkit.Check(s.t, os.CopyFS(to, os.DirFS(n.dataDir())))
	testkit.Check(s.t, n.process.Start())
	s.serves()
	return to
}

// scan runs the auditor on a data directory.
func (s *setup) scan(dir string, status int) *auditv1.Report {
	s.t.Helper()
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(s.ctx, s.auditor, "scan", "--output", "json", dir)
	cmd.Stdout, cmd.Stderr = &out, &messages
	_ = cmd.Run()
	report := new(auditv1.Report)
	if err := protojson.Unmarshal(out.Bytes(), report); err != nil || cmd.ProcessState.ExitCode() != status {
		s.t.Fatalf("scan %s: status %d, want %d: %v\n%s%s%s", dir, cmd.ProcessState.ExitCode(), status, err, messages.String(), report.GetVerdict().GetText(), open(report))
	}
	return report
}

// open lists what made a verdict that is no pass.
func open(report *auditv1.Report) string {
	var text strings.Builder
	for _, check := range report.GetChecks() {
		for _, r := range check.GetResults() {
			if r.GetStatus() != auditv1.Status_STATUS_PASS && r.GetStatus() != auditv1.Status_STATUS_NOT_APPLICABLE && !r.GetOptional() {
				fmt.Fprintf(&text, "\n%s %s: %s%s", check.GetId(), r.GetTarget(), r.GetSummary(), r.GetReason())
			}
		}
	}
	for _, layer := range report.GetNotEvaluated() {
		fmt.Fprintf(&text, "\n%s: %s", layer.GetName(), layer.GetReason())
	}
	return text.String()
}

// run executes a script.
func (s *setup) run(script string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "runbook.sh")
	testkit.Check(s.t, os.WriteFile(file, []byte(script), 0o600))
	ctx, cancel := context.WithTimeout(s.ctx, 4*hang)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", file)
	cmd.Env, cmd.Dir = s.env, s.t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("the runbook: %v\n%s\n%s", err, out, script)
	}
}

func (s *setup) memberNames() string {
	s.t.Helper()
	var names []string
	for _, m := range testkit.Must(s.client.MemberList(s.ctx))(s.t).Members {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}
