package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func TestControlsAreListedAndExplained(t *testing.T) {
	status, out, errs := run(t, "controls")
	if status != 0 || errs != "" || !strings.Contains(oneLine(out), " 2.2 etcd demands certificates of its clients: EA-404, EA-302, EA-303, EA-304 (partly), EA-411 (partly) 2.3 ") {
		t.Errorf("status %d, %s\n%s", status, errs, out)
	}
	for _, said := range []string{"(cis-1.12), unverified: read in github.com/aquasecurity/kube-bench", "(stig), unverified: read in", "EA-423 (needs a human)"} {
		if !strings.Contains(oneLine(out), said) {
			t.Errorf("the list does not say %q", said)
		}
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 102 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	status, out, _ = run(t, "controls", "v-242423", "--catalogue", "STIG")
	for _, said := range []string{
		"V-242423 etcd demands certificates of its clients", "EA-404 (evidences): etcd demands client certificates of its own CA",
		"EA-304 (partly): certificates that were given with --probe-cert", "By the letter: --client-cert-auth is set, and not to false",
		"It can fail although the checks pass: a trusted CA alone", "Read in: github.com/mitre/k8s-cluster-stig-baseline",
	} {
		if !strings.Contains(oneLine(out), said) {
			t.Errorf("status %d: it does not say %q:\n%s", status, said, out)
		}
	}
	if strings.Contains(out, "V-242426") || strings.Contains(out, "CIS") {
		t.Errorf("more was explained than was asked for:\n%s", out)
	}
	// One id is in both versions of the benchmark.
	if _, out, _ := run(t, "controls", "2.2"); strings.Count(out, "etcd demands certificates of its clients") != 2 {
		t.Errorf("%s", out)
	}
	var list []struct {
		Name, ID string
		Verified bool
		Checks   []struct{ Check, Relation string }
	}
	status, out, _ = run(t, "controls", "--output", "json", "--catalogue", "stig")
	if err := json.Unmarshal([]byte(out), &list); err != nil || status != 0 || len(list) < 20 || list[0].Verified || list[0].Name != "stig" || list[0].Checks[0].Check == "" {
		t.Errorf("status %d, %v: %v", status, err, list)
	}
	if status, out, errs := run(t, "controls", "1.1.12", "--catalogue", "stig"); status != 3 || out != "" || !strings.Contains(errs, `there is no control "1.1.12" in stig: it is in cis-1.12, cis-2.0`) {
		t.Errorf("a control of another catalogue: status %d, %q, %q", status, out, errs)
	}
	if _, out, _ := run(t, "controls", "--output", "json"); !regexp.MustCompile(`"not_in_report": "[a-z]`).MatchString(out) {
		t.Error("the JSON never says what no report holds")
	}
	for _, wrong := range [][]string{{"controls", "9.9.9"}, {"controls", "--catalogue", "iso"}, {"controls", "--output", "xml"}, {"controls", "2.2", "--catalogue", "stig"}} {
		if status, out, errs := run(t, wrong...); status != 3 || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: status %d, %q, %q", wrong, status, out, errs)
		}
	}
	if _, out, _ := run(t, "__complete", "controls", "--catalogue", "stig", ""); !strings.Contains(out, "V-242423\tstig: etcd demands") || strings.Contains(out, "\n2.2\t") {
		t.Errorf("completion: %s", out)
	}
	if _, out, _ := run(t, "__complete", "controls", "--catalogue", ""); !strings.Contains(out, "cis-2.0\tCIS Kubernetes Benchmark 2.0.1") {
		t.Errorf("completion: %s", out)
	}
}

func TestAReportHoldsLetterAndTruth(t *testing.T) {
	r, _, _ := hostReport(t, node(t))
	i := slices.IndexFunc(r.Controls, func(c *auditv1.Control) bool { return c.Version == "1.12" && c.Id == "2.2" })
	if i < 0 {
		t.Fatal("no CIS 2.2")
	}
	if c := r.Controls[i]; c.Letter != auditv1.Status_STATUS_FAIL || c.Verified || !strings.Contains(c.Difference, "a trusted CA alone (--trusted-ca-file) makes etcd demand client certificates. EA-404: demanded") {
		t.Errorf("%v", c)
	}
}
