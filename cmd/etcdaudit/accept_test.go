package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// node is a tree with the manifest of an etcd whose trusted CA alone demands certificates, and
// whose peer address is plaintext.
func node(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "etc/kubernetes/manifests")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: etcd}\nspec:\n  containers:\n  - name: etcd\n    image: registry.k8s.io/etcd:3.6.8-0\n" +
		"    command: [etcd, --cert-file=/s.crt, --key-file=/s.key, --trusted-ca-file=/ca.crt, \"--listen-client-urls=https://127.0.0.1:2379\", \"--advertise-client-urls=https://127.0.0.1:2379\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "etcd.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// hostReport is the report of host about a tree, with its exit status.
func hostReport(t *testing.T, root string, args ...string) (r *auditv1.Report, text string, status int) {
	t.Helper()
	status, text, errs := run(t, append([]string{"host", "--root", root, "--output", "json"}, args...)...)
	r = &auditv1.Report{}
	if err := protojson.Unmarshal([]byte(text), r); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	return r, text, status
}

func TestARiskIsAcceptedFromAReportAndExpires(t *testing.T) {
	root, dir := node(t), t.TempDir()
	found, text, status := hostReport(t, root)
	if status != 1 || checkOf(t, found, "EA-405").Status != auditv1.Status_STATUS_WARN {
		t.Fatalf("status %d: %v", status, found.Verdict)
	}
	stored, file := filepath.Join(dir, "report.json"), filepath.Join(dir, "accepted.yaml")
	if err := os.WriteFile(stored, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	accept := []string{"accept", "ea-405", "--report", stored, "--owner", "team-storage", "--reason", "one member, on loopback", "--expires", "2099-06-30"}
	status, entry, errs := run(t, accept...)
	if status != 0 || errs != "" || !strings.HasPrefix(entry, "- check: EA-405\n  object: etcd of /etc/kubernetes/manifests/etcd.yaml\n  fingerprint: ") {
		t.Fatalf("status %d, %s\n%s", status, errs, entry)
	}
	if status, out, errs := run(t, append(accept, "--file", file)...); status != 0 || out != "" || errs != "" {
		t.Fatalf("status %d, %s%s", status, out, errs)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != entry {
		t.Errorf("%v: --file writes another entry:\n%s", err, text)
	}
	r, _, status := hostReport(t, root, "--accept", file)
	if c := checkOf(t, r, "EA-405"); status == 1 || c.Status != auditv1.Status_STATUS_ACCEPTED || len(r.Acceptances) != 1 || checkOf(t, r, "EA-702").Status != auditv1.Status_STATUS_PASS {
		t.Errorf("status %d: %v, %v", status, c, r.Acceptances)
	}
	status, table, _ := run(t, "host", "--root", root, "--accept", file)
	for _, said := range []string{
		"ACCEPTED EA-405 critical", "accepted by team-storage until 2099-06-30: one member, on loopback",
		"Accepted risks: EA-405 etcd of /etc/kubernetes/manifests/etcd.yaml: until 2099-06-30, by team-storage: one member, on loopback",
		"PASS EA-701 medium", "with an accepted risk",
	} {
		if !strings.Contains(oneLine(table), said) {
			t.Errorf("status %d, the table does not say %q:\n%s", status, said, table)
		}
	}
	expired := file + ".old"
	if err := os.WriteFile(expired, []byte(strings.Replace(entry, "2099-06-30", "2020-06-30", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _, status = hostReport(t, root, "--accept", expired)
	if status != 1 || checkOf(t, r, "EA-405").Status != auditv1.Status_STATUS_WARN || checkOf(t, r, "EA-701").Status != auditv1.Status_STATUS_FAIL || !strings.Contains(r.Verdict.Text, "EA-405, EA-701") {
		t.Errorf("status %d: %v", status, r.Verdict)
	}
}

// A stored report is settled with the time of today, and several with each node's own entries.
func TestARiskThatWasAcceptedInAStoredReportExpires(t *testing.T) {
	var live, over []string
	for _, name := range []string{"cp-1", "cp-2"} {
		root := node(t)
		if err := os.WriteFile(filepath.Join(root, "etc/hostname"), []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, text, _ := hostReport(t, root, "--accept", file(t, "- {check: EA-405, object: etcd of /etc/kubernetes/manifests/etcd.yaml, owner: a, reason: b, expires: 2099-06-30}\n"))
		live, over = append(live, file(t, text)), append(over, file(t, strings.ReplaceAll(text, "2099-06-30", "2020-06-30")))
	}
	for name, tc := range map[string]struct {
		files    []string
		statuses []auditv1.Status // of EA-405
		expired  auditv1.Status   // of EA-701
	}{
		"in force":          {live[:1], []auditv1.Status{auditv1.Status_STATUS_ACCEPTED}, auditv1.Status_STATUS_PASS},
		"expired":           {over[:1], []auditv1.Status{auditv1.Status_STATUS_WARN}, auditv1.Status_STATUS_FAIL},
		"two nodes":         {live, []auditv1.Status{auditv1.Status_STATUS_ACCEPTED, auditv1.Status_STATUS_ACCEPTED}, auditv1.Status_STATUS_PASS},
		"expired on one":    {[]string{live[0], over[1]}, []auditv1.Status{auditv1.Status_STATUS_ACCEPTED, auditv1.Status_STATUS_WARN}, auditv1.Status_STATUS_FAIL},
		"expired on either": {over, []auditv1.Status{auditv1.Status_STATUS_WARN, auditv1.Status_STATUS_WARN}, auditv1.Status_STATUS_FAIL},
	} {
		r := jsonReport(t, append([]string{"report", "--strict"}, tc.files...)...)
		var statuses []auditv1.Status
		for _, result := range checkOf(t, r, "EA-405").Results {
			statuses = append(statuses, result.Status)
		}
		c := checkOf(t, r, "EA-701")
		if !slices.Equal(statuses, tc.statuses) || c.Status != tc.expired || len(r.Acceptances) != len(tc.files) || tc.expired == auditv1.Status_STATUS_PASS && len(c.Results) != 1 {
			t.Errorf("%s: EA-405 %v, EA-701 %v, %v", name, statuses, c, r.Acceptances)
		}
	}
	wide := file(t, "- {check: EA-405, object: etcd of /etc/kubernetes/manifests/etcd.yaml, owner: a, reason: b, expires: 2099-06-30}\n")
	if status, _, errs := run(t, "report", live[0], live[1], "--accept", wide); status != 3 || !strings.Contains(errs, "is on several nodes (cp-1, cp-2): give node or fingerprint") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d, %s", status, errs)
	}
}

func TestAcceptRefusesWhatIsNoEntry(t *testing.T) {
	root, dir := node(t), t.TempDir()
	_, text, _ := hostReport(t, root)
	stored, other := filepath.Join(dir, "report.json"), filepath.Join(dir, "other.json")
	for path, text := range map[string]string{stored: text, other: `{"kind": "List"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("/not/there", dangling); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"--report": stored, "--owner": "a", "--reason": "b", "--expires": "2099-06-30"}
	if status, _, errs := run(t, "accept", "EA-405", "--report", stored); status != 3 || !strings.Contains(errs, "not given, but needed: owner, reason, expires\n") {
		t.Errorf("nothing but a report: status %d, %q", status, errs)
	}
	for name, tc := range map[string]struct {
		check, flag, value, says string
	}{
		"no owner":                     {"EA-405", "--owner", " ", "--owner: it is empty"},
		"no reason":                    {"EA-405", "--reason", "", "--reason: it is empty"},
		"no date":                      {"EA-405", "--expires", "soon", `expires: "soon": want a day`},
		"a date that is over":          {"EA-405", "--expires", "2020-01-01", "expires: 2020-01-01 is over"},
		"no report":                    {"EA-405", "--report", "/not/there", "no such file"},
		"a file that is no report":     {"EA-405", "--report", other, "this is no report that etcdaudit wrote with --output json"},
		"a check that passes":          {"EA-403", "--owner", "a", "nothing to accept"},
		"an unknown check":             {"EA-999", "--owner", "a", `no check "EA-999"`},
		"another node":                 {"EA-405", "--node", "elsewhere", "not about a node"},
		"another target":               {"EA-405", "--target", "elsewhere", "no such finding"},
		"a reason beyond all measures": {"EA-405", "--reason", strings.Repeat("b", 1001), "more than 1000 bytes"},
		"a file in no directory":       {"EA-405", "--file", "/not/there/accepted.yaml", "file: /not/there/accepted.yaml: no such file"},
		"a link that leads nowhere":    {"EA-405", "--file", dangling, "file: " + dangling + ": it is a symbolic link"},
		"an empty file":                {"EA-405", "--file", "", "--file: it is empty"},
		"the report itself":            {"EA-405", "--file", stored, "file: " + stored + " is read in this call (report: "},
		"a device":                     {"EA-405", "--file", "/dev/full", "for a pipe or a device leave the file out, and redirect stdout"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"accept", tc.check}
			for flag, value := range good {
				if flag != tc.flag {
					args = append(args, flag, value)
				}
			}
			if status, out, errs := run(t, append(args, tc.flag, tc.value)...); status != 3 || out != "" || !strings.Contains(errs, tc.says) || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, %q, %q", status, out, errs)
			}
		})
	}
}

func TestAcceptNamesEverythingThatIsNotGiven(t *testing.T) {
	if status, out, errs := run(t, "accept", "EA-405", "--reason", "x"); status != 3 || out != "" || !strings.Contains(errs, "needed: report, owner, expires\n") {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
}

// What could not be written is no wrong usage, and no entry of the file is lost.
func TestAcceptOnAFullDiskLeavesTheFileAsItWas(t *testing.T) {
	_, text, _ := hostReport(t, node(t))
	stored, accepted := file(t, text), file(t, "")
	accept := []string{"accept", "EA-405", "--report", stored, "--owner", "a", "--reason", "b", "--expires", "2099-06-30", "--file", accepted}
	if status, errs := onFullDisk(t, accept...); status != 2 || !strings.Contains(errs, "write "+accepted+", which is as it was: file too large\n") {
		t.Errorf("status %d, %s", status, errs)
	}
	if names := namesIn(t, filepath.Dir(accepted)); len(names) != 1 {
		t.Errorf("%q", names)
	}
	if status, _, errs := run(t, accept...); status != 0 {
		t.Errorf("status %d, %s", status, errs)
	}
}

func TestTheGatesRefuseWhatTheyCannotUse(t *testing.T) {
	root := node(t)
	wrong := file(t, "- check: EA-999\n  owner: a\n")
	for name, tc := range map[string]struct {
		args  []string
		says  string
		lines int
	}{
		"every mistake of the file of accepted risks": {[]string{"--accept", wrong}, wrong + `:1: there is no check "EA-999"`, 4},
		"no such file":  {[]string{"--accept", "/not/there"}, "/not/there", 1},
		"no percentage": {[]string{"--min-coverage", "101"}, "min-coverage: 101: want a percentage, 0 to 100", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if status, out, errs := run(t, append([]string{"host", "--root", root}, tc.args...)...); status != 3 || out != "" || !strings.Contains(errs, tc.says) || strings.Count(errs, "\n") != tc.lines {
				t.Errorf("status %d, %q, %q", status, out, errs)
			}
		})
	}
}

// What the gate does to the verdict is tested in package outcome.
func TestTheGateOfCoverageIsInTheReport(t *testing.T) {
	root := node(t)
	if r, _, _ := hostReport(t, root, "--min-coverage", "90"); r.Coverage.MinimumPercent != 90 {
		t.Errorf("%v", r.Coverage)
	}
	if _, out, _ := run(t, "host", "--root", root, "--min-coverage", "90"); !strings.Contains(oneLine(out), "; at least 90 % were asked for") {
		t.Errorf("%s", out)
	}
}
