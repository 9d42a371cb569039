package acceptance_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/acceptance"
)

const good = `# reviewed every quarter
- check: EA-305
  object: https://192.0.2.1:2379
  owner: team-storage
  reason: >
    etcd's own RBAC would need
    a patched API server
  compensating-control: a firewall
  expires: 2027-06-30
- {check: EA-101, fingerprint: "0123456789abcdef0123456789abcdef", owner: a, reason: b, expires: "2020-01-01"}
`

func known() []string { return []string{"EA-101", "EA-305", "EA-701", "EA-702"} }

func TestAFileIsRead(t *testing.T) {
	got, err := acceptance.Parse("accepted.yaml", []byte(good), known())
	want := []acceptance.Entry{
		{
			Check: "EA-305", Object: "https://192.0.2.1:2379", Owner: "team-storage", Reason: "etcd's own RBAC would need a patched API server",
			CompensatingControl: "a firewall", Expires: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC), Source: "accepted.yaml, line 2",
		},
		{Check: "EA-101", Fingerprint: "0123456789abcdef0123456789abcdef", Owner: "a", Reason: "b", Expires: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Source: "accepted.yaml, line 10"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v%s", err, diff)
	}
}

func TestEachMistakeIsOneLineWithItsPlace(t *testing.T) {
	const entry = "- {check: EA-305, object: a, owner: b, reason: c, expires: 2027-06-30}\n"
	for name, tc := range map[string]struct {
		text string
		says []string
	}{
		"an unknown check":                   {strings.Replace(entry, "EA-305", "EA-999", 1), []string{`a.yaml:1: there is no check "EA-999": etcdaudit rules lists them`}},
		"a check of the file itself":         {strings.Replace(entry, "EA-305", "EA-701", 1), []string{"a.yaml:1: EA-701 is about this file, and cannot be accepted in it"}},
		"the same twice":                     {entry + entry, []string{"a.yaml:2: the same is accepted in line 1"}},
		"nothing that is needed":             {"- {}\n", []string{"a.yaml:1: check is missing", "a.yaml:1: owner is missing", "a.yaml:1: reason is missing", "a.yaml:1: expires is missing", "a.yaml:1: object and fingerprint are missing, and one of them is needed: a finding is accepted, never a whole check"}},
		"the same twice on one node":         {strings.Replace(entry+entry, "object: a", "object: a, node: n", 2), []string{"a.yaml:2: the same is accepted in line 1"}},
		"an empty owner":                     {strings.Replace(entry, "owner: b", "owner: ''", 1), []string{"a.yaml:1: owner is missing"}},
		"null for a reason":                  {strings.Replace(entry, "reason: c", "reason: ", 1), []string{"a.yaml:1: reason is missing"}},
		"no date":                            {strings.Replace(entry, "2027-06-30", "30.6.2027", 1), []string{`a.yaml:1: expires "30.6.2027": want a day, such as 2027-06-30`}},
		"a day that is none":                 {strings.Replace(entry, "2027-06-30", "2027-06-31", 1), []string{`a.yaml:1: expires "2027-06-31": want a day, such as 2027-06-30`}},
		"an unknown key":                     {"- check: EA-305\n  objekt: a\n", []string{`a.yaml:2: unknown key "objekt": want check, object, fingerprint, node, owner, reason, compensating-control, expires`, "a.yaml:1: owner is missing", "a.yaml:1: reason is missing", "a.yaml:1: expires is missing", "a.yaml:1: object and fingerprint are missing, and one of them is needed: a finding is accepted, never a whole check"}},
		"a key twice":                        {strings.Replace(entry, "owner: b", "owner: b, owner: c", 1), []string{"a.yaml:1: owner is given twice"}},
		"a fingerprint that is none":         {strings.Replace(entry, "object: a", "fingerprint: xyz", 1), []string{`a.yaml:1: fingerprint "xyz": want the 32 hexadecimal digits that the report shows`}},
		"a list for a text":                  {strings.Replace(entry, "reason: c", "reason: [c]", 1), []string{"a.yaml:1: reason: want a text", "a.yaml:1: reason is missing"}},
		"an alias for a text":                {strings.Replace(strings.Replace(entry, "owner: b", "owner: &o b", 1), "reason: c", "reason: *o", 1), []string{"a.yaml:1: reason: want a text", "a.yaml:1: reason is missing"}},
		"a text that moves the cursor":       {strings.Replace(entry, "reason: c", `reason: "c\e[2J"`, 1), []string{"a.yaml:1: reason: it has characters that cannot be printed"}},
		"a long text":                        {strings.Replace(entry, "reason: c", "reason: "+strings.Repeat("c", 1001), 1), []string{"a.yaml:1: reason: more than 1000 bytes are not read"}},
		"two documents":                      {entry + "---\n" + entry, []string{"a.yaml: line 2: a second document: put all entries into one list"}},
		"no list":                            {"check: EA-305\n", []string{"a.yaml: line 1: want a list of entries, each with check, object, fingerprint, node, owner, reason, compensating-control, expires"}},
		"a text for an entry":                {"- EA-305\n", []string{"a.yaml:1: want an entry with check, object, fingerprint, node, owner, reason, compensating-control, expires"}},
		"no YAML":                            {"- check: [\n", []string{"a.yaml: line 1: did not find expected node content"}},
		"no YAML after the document":         {entry + "---\n- [\n", []string{"a.yaml: line 3: did not find expected node content"}},
		"more than a megabyte":               {strings.Repeat("#", 1<<20) + "\n", []string{"a.yaml: more than 1048576 bytes are not read"}},
		"more than ten thousand":             {strings.Repeat("- {}\n", 10_001), []string{"a.yaml: more than 10000 entries are not read"}},
		"an empty file accepts nothing":      {"", nil},
		"a file of comments accepts nothing": {"# nothing yet\n", nil},
		"an empty list accepts nothing":      {"[]\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := acceptance.Parse("a.yaml", []byte(tc.text), known())
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(tc.says, lines); diff != "" || len(entries) > 0 {
				t.Errorf("%v%s", entries, diff)
			}
		})
	}
}

func TestAnEntryIsAddedAndTheRestStays(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "accepted.yaml")
	if err := os.WriteFile(file, []byte(strings.TrimSuffix(good, "\n")), 0o640); err != nil {
		t.Fatal(err)
	}
	e := entry("EA-101", "secrets default/a: b #", hex("a"))
	e.Source = ""
	text, mode, err := acceptance.With(file, e, known())
	if err != nil || !strings.HasPrefix(string(text), good) || mode != 0o640 {
		t.Fatalf("%v, %v\n%s", err, mode, text)
	}
	entries, err := acceptance.Parse(file, text, known())
	if err != nil || len(entries) != 3 {
		t.Fatalf("%v, %v", entries, err)
	}
	entries[2].Source = ""
	if diff := cmp.Diff(e, entries[2]); diff != "" {
		t.Error(diff)
	}
	for name, tt := range map[string]struct{ before, says string }{
		"the same again":                       {string(text), "the same is accepted in line 11"},
		"a file to which nothing can be added": {"[]\n", "the file is as it was"},
		"a file that cannot be read as it is":  {"- check: EA-999\n", `there is no check "EA-999"`},
	} {
		if err := os.WriteFile(file, []byte(tt.before), 0o640); err != nil {
			t.Fatal(err)
		}
		if text, _, err := acceptance.With(file, e, known()); err == nil || !strings.Contains(err.Error(), tt.says) || text != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFileThatIsNotThereIsAnEmptyOne(t *testing.T) {
	text, mode, err := acceptance.With(filepath.Join(t.TempDir(), "accepted.yaml"), entry("EA-305", "a", ""), known())
	const want = "- check: EA-305\n  object: a\n  owner: team-storage\n  reason: one node\n  expires: \"2027-06-30\"\n"
	if err != nil || string(text) != want || mode != 0o600 {
		t.Errorf("%v, %v\n%s", err, mode, text)
	}
}

func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", t.TempDir(), "/not/there"} {
		if _, err := acceptance.Load(path, known()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("- &a {check: *a}\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := acceptance.Parse("f", []byte(text), known())
		if err != nil {
			if len(entries) > 0 {
				t.Error("entries beside an error")
			}
			return
		}
		// What was read can be written and read again.
		for _, e := range entries {
			written, err := e.Text()
			if err != nil {
				t.Fatal(err)
			}
			again, err := acceptance.Parse("f", []byte(written), known())
			if err != nil || len(again) != 1 {
				t.Fatalf("%v: %q", err, written)
			}
			again[0].Source = e.Source
			if diff := cmp.Diff(e, again[0]); diff != "" {
				t.Error(diff)
			}
		}
	})
}
