package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

// storedReport is a file with a report: a finding of severity low, and none above it.
func storedReport(t *testing.T) string {
	t.Helper()
	r := &auditv1.Report{
		Tool:    &auditv1.Tool{Name: name},
		Scopes:  []*auditv1.Scope{{Id: "wire", Text: "TLS and access", Layer: "wire", LayerName: "TLS and access", Time: timestamppb.Now()}},
		Verdict: &auditv1.Verdict{Status: auditv1.Status_STATUS_PASS, Text: "no finding at or above high; below it: EA-305", FailOn: auditv1.Severity_SEVERITY_HIGH},
		Checks: []*auditv1.Check{{Id: "EA-305", Title: "An accepted certificate is not full access", Severity: auditv1.Severity_SEVERITY_LOW, Status: auditv1.Status_STATUS_WARN, Results: []*auditv1.Result{
			{Target: "https://192.0.2.1:2379", Status: auditv1.Status_STATUS_WARN, Summary: "it reads everything"},
			{Target: "https://192.0.2.2:2379", Status: auditv1.Status_STATUS_NOT_EVALUATED, Reason: "no certificate was given", Optional: true},
		}}},
	}
	var out bytes.Buffer
	if err := report.JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	return file(t, out.String())
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOneReportIsWrittenInEveryFormatAtOnce(t *testing.T) {
	dir := t.TempDir()
	args := []string{"report", storedReport(t), "--output", "table"}
	begins := map[string]string{"json": "{", "html": "<!doctype html>", "sarif": "{", "junit": "<?xml", "csv": "type,node,", "cyclonedx": "{", "table": "Scope: "}
	for f := range begins {
		args = append(args, "-o", f+"="+filepath.Join(dir, "report."+f))
	}
	if err := os.WriteFile(filepath.Join(dir, "report.html"), []byte("an older one, which is replaced"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, out, errs := run(t, args...)
	if status != 0 || errs != "" || !strings.HasPrefix(out, "Scope: ") {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
	}
	for f, start := range begins {
		path := filepath.Join(dir, "report."+f)
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(text), start) {
			t.Errorf("%s: %v, %.30q", f, err, text)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", f, err, info.Mode())
		}
	}
	if names := namesIn(t, dir); len(names) != len(begins) {
		t.Errorf("%q", names)
	}
}

func TestOutputsComeFromTheEnvironmentAndTheFileAsWell(t *testing.T) {
	stored, dir := storedReport(t), t.TempDir()
	t.Setenv("ETCDAUDIT_OUTPUT", "json,html="+filepath.Join(dir, "environment.html"))
	config := file(t, "output:\n- csv\n- junit="+filepath.Join(dir, "a, b.xml")+"\n")
	if status, out, errs := run(t, "report", stored, "--config", config); status != 0 || !strings.HasPrefix(out, "{") {
		t.Errorf("the environment: status %d, %q, %q", status, out, errs)
	}
	if err := os.Unsetenv("ETCDAUDIT_OUTPUT"); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := run(t, "report", stored, "--config", config); status != 0 || !strings.HasPrefix(out, "type,") {
		t.Errorf("the file: status %d, %q, %q", status, out, errs)
	}
	if status, out, errs := run(t, "report", stored, "--config", config, "-o", "table"); status != 0 || !strings.HasPrefix(out, "Scope") {
		t.Errorf("a flag over both: status %d, %q, %q", status, out, errs)
	}
	if status, _, errs := run(t, "report", stored, "-o", "json="+filepath.Join(dir, "c,d.json")); status != 0 {
		t.Errorf("a comma in a flag: status %d, %q", status, errs)
	}
	if names := namesIn(t, dir); !slices.Equal(names, []string{"a, b.xml", "c,d.json", "environment.html"}) {
		t.Errorf("%q", names)
	}
}

// Ten minutes of reading must not end with a typing error in --output.
func TestAnOutputThatCannotBeWrittenIsRefusedBeforeTheAudit(t *testing.T) {
	dir := t.TempDir()
	fifo, link, plain := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "plain")
	for _, err := range []error{syscall.Mkfifo(fifo, 0o600), os.Symlink("/etc/passwd", link), os.WriteFile(plain, nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := namesIn(t, dir)
	for name, tt := range map[string]struct {
		outputs []string
		says    string
	}{
		"an unknown format":        {[]string{"pdf"}, `output: "pdf": want table, json, html, sarif, junit, csv or cyclonedx`},
		"an unknown one to a file": {[]string{"pdf=" + dir + "/a.pdf"}, `output: "pdf": want table`},
		"no name":                  {[]string{"html="}, `output: "html=": want FORMAT or FORMAT=FILE`},
		"two to stdout":            {[]string{"json", "table"}, "both would go to stdout"},
		"two to one file":          {[]string{"json=" + dir + "/a", "csv=" + dir + "/./a"}, "both would go to " + dir + "/a"},
		"a missing directory":      {[]string{"html=" + dir + "/missing/a.html"}, dir + "/missing/a.html: no such file or directory"},
		"a file as directory":      {[]string{"html=" + plain + "/a.html"}, plain + "/a.html: not a directory"},
		"a directory":              {[]string{"html=" + dir}, dir + ": it is a directory: name a file in it"},
		"a pipe":                   {[]string{"html=" + fifo}, fifo + ": it is no regular file: for a pipe or a device leave the file out"},
		"a device":                 {[]string{"html=/dev/full"}, "/dev/full: it is no regular file"},
		"a link":                   {[]string{"html=" + link}, link + ": it is a symbolic link"},
		"where nothing is made":    {[]string{"html=/proc/a.html"}, "output: /proc/a.html: "},
		"nothing at all":           {[]string{""}, "output: "},
	} {
		t.Run(name, func(t *testing.T) {
			// Nothing listens there: an audit would end with status 2.
			args := []string{"scan", "--endpoints", "https://127.0.0.1:1"}
			for _, o := range tt.outputs {
				args = append(args, "--output", o)
			}
			status, out, errs := run(t, args...)
			if status != 3 || out != "" || !strings.Contains(errs, tt.says) || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
			}
		})
	}
	if after := namesIn(t, dir); !slices.Equal(before, after) {
		t.Errorf("%q is left behind", after)
	}
}

// TestMain makes this program the auditor itself where it was started by onFullDisk.
func TestMain(m *testing.M) {
	if os.Getenv(asOnFullDisk) == "" {
		os.Exit(m.Run())
	}
	_ = os.Unsetenv(asOnFullDisk)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{}); err != nil {
		panic(err)
	}
	main()
}

const asOnFullDisk = "SEALPROOF_TEST_FULL_DISK"

// onFullDisk runs the command in a process that may not write a byte to a file.
func onFullDisk(t *testing.T, args ...string) (status int, errs string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testkit.Must(os.Executable())(t), args...)
	cmd.Env = append(os.Environ(), asOnFullDisk+"=1")
	out, err := cmd.CombinedOutput()
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestAFullDiskLeavesTheOldReportAndNothingElse(t *testing.T) {
	stored, dir := storedReport(t), t.TempDir()
	old := filepath.Join(dir, "report.html")
	testkit.Check(t, os.WriteFile(old, []byte("the old one"), 0o600))
	status, errs := onFullDisk(t, "report", stored, "-o", "html="+old)
	text := testkit.Must(os.ReadFile(old))(t)
	if names := namesIn(t, dir); status != 2 || !strings.Contains(errs, "write the report to "+old+": file too large\n") || string(text) != "the old one" || len(names) != 1 {
		t.Errorf("status %d, %q, %q, %q", status, errs, text, names)
	}
}

// One output that fails must not take the others with it.
func TestTheOtherOutputsAreWrittenWhereOneFails(t *testing.T) {
	dir := t.TempDir()
	gone := filepath.Join(dir, "gone")
	if err := os.Mkdir(gone, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := parseOutputs([]string{"html=" + gone + "/a.html", "json=" + dir + "/a.json", "table"}, report.Formats())
	if err := errors.Join(err, out.writable(), os.Remove(gone)); err != nil {
		t.Fatal(err)
	}
	r := &auditv1.Report{Verdict: &auditv1.Verdict{}}
	var stdout bytes.Buffer
	err = finish(out, r, &stdout, os.Getenv)
	if err == nil || err.Error() != "write the report to "+gone+"/a.html: no such file or directory" {
		t.Errorf("%v", err)
	}
	if names := namesIn(t, dir); !slices.Equal(names, []string{"a.json"}) || stdout.Len() == 0 {
		t.Errorf("%q, %d bytes on stdout", names, stdout.Len())
	}
}

func TestAStoredReportKeepsItsVerdictUnlessAnotherIsAskedFor(t *testing.T) {
	stored := storedReport(t)
	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{nil, 0, "PASS, no finding at or above high"},
		{[]string{"--fail-on", "low"}, 1, "FAIL, finding at or above low: EA-305"},
		{[]string{"--strict"}, 2, "could not be evaluated: EA-305"},
		{[]string{"--fail-on", "urgent"}, 3, ""},
	} {
		status, out, errs := run(t, append([]string{"report", stored}, tt.args...)...)
		if status != tt.status || !strings.Contains(oneLine(out), tt.says) {
			t.Errorf("%q: status %d, %s, %s", tt.args, status, out, errs)
		}
	}
}

func TestWhatIsNoStoredReportIsOneErrorAndStatus3(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	huge := filepath.Join(dir, "huge")
	if err := errors.Join(os.WriteFile(huge, nil, 0o600), os.Truncate(huge, 1<<40)); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "missing"): "no such file", dir: "is a directory", fifo: "no report", huge: "more than", file(t, "kind: Secret"): "no report", file(t, "{}"): "no report",
	} {
		status, out, errs := run(t, "report", path, "-o", "html="+dir+"/a.html")
		if status != 3 || out != "" || !strings.Contains(errs, path) || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, stdout %q, stderr %q", path, status, out, errs)
		}
	}
	if names := namesIn(t, dir); len(names) != 2 {
		t.Errorf("%q", names)
	}
}
