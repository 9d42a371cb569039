package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/test/testkit"
)

// noEtcdctl leaves an operator's shell out of a test.
func noEtcdctl(t *testing.T) {
	t.Helper()
	for _, v := range []string{"ETCDCTL_ENDPOINTS", "ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY", "ETCDCTL_USER", "ETCDCTL_PASSWORD"} {
		t.Setenv(v, "")
	}
}

func TestFlagsWithoutAnEffectAreRefused(t *testing.T) {
	noEtcdctl(t)
	const etcd, work = " --endpoints http://127.0.0.1:1", " --work-dir /no/work"
	for call, want := range map[string]string{
		"scan /no" + etcd:                                              "--endpoints: with a path only files are read",
		"scan /no --rate 5":                                            "--rate: with a path only files are read",
		"scan /no --rate 5" + work:                                     "--rate: with a path only files are read",
		"scan /no --cacert /no":                                        "--cacert: with a path",
		"scan /no --cert /no --key /no":                                "--cert: with a path",
		"scan /no --timeout 5s":                                        "--timeout: with a path",
		"scan /no --consistency serializable":                          "--consistency: it is about a running etcd",
		"scan /no --compare-members off":                               "--compare-members: it is about a running etcd",
		"scan /no --compare-members=off" + etcd + work:                 "--compare-members: it is about a running etcd",
		"scan /no --root /":                                            "--root: it is about a running etcd or this node",
		"scan /no --kubeconfig /no":                                    "--kubeconfig: it is about",
		"scan /no --files=false":                                       "--files: a path names the files",
		"scan /no --files":                                             "--files: a path names the files",
		"scan /no --clock-skew 5s":                                     "--clock-skew: it is about the bounds of a timeline",
		"scan --wal-dir /tmp":                                          "--wal-dir: it is of a data directory that is named",
		"scan --files" + etcd:                                          "--files: with endpoints (http://127.0.0.1:1) only live values",
		"scan --root /" + etcd:                                         "--root: with endpoints (http://127.0.0.1:1)",
		"scan" + work + etcd:                                           "--work-dir: it is for files and timelines",
		"scan --memory 5MiB" + etcd:                                    "--memory: it is for files and timelines",
		"all --memory 5MiB" + etcd:                                     "--memory: it is for files and timelines",
		"scan --files=false" + work:                                    "--work-dir: it is for files and timelines",
		"scan --clock-skew 5s" + etcd:                                  "--clock-skew: it is about the bounds of a timeline",
		"tls --passive --enumerate" + etcd:                             "--enumerate: trying everything is what --passive leaves out",
		"tls --timeout 5s" + etcd:                                      "unknown flag: --timeout",
		"all --plan --timeout 5s" + etcd:                               "--timeout: it is about a report",
		"tls --plan --strict" + etcd:                                   "--strict: it is about a report",
		"tls --plan --fail-on low" + etcd:                              "--fail-on: it is about a report",
		"all --plan --rate 5" + etcd:                                   "--rate: it is about a report",
		"scan /no --transit":                                           "--transit: it is about opening values",
		"scan --unwrap-rate 5" + etcd:                                  "--unwrap-rate: it is about opening values",
		"scan /no --vault-key k":                                       "--vault-key: it is about opening values",
		"all --verify --accept-cluster a" + etcd:                       "--accept-cluster: it is about a Transit key",
		"all --plan --verify" + etcd:                                   "--verify: it is about a report",
		"tls --verify" + etcd:                                          "unknown flag: --verify",
		"host /no --root /":                                            "--root: it is about a node that is read now",
		"host /no --kubeconfig /no":                                    "--kubeconfig: it is about a node",
		"host /no --apiserver-metrics /no":                             "--apiserver-metrics: it is about a node",
		"host /no --fingerprint-key /no":                               "--fingerprint-key: it is about a node",
		"host /no --snapshot-dir /no":                                  "--snapshot-dir: it is about a node",
		"host --apiserver-metrics /a --apiserver-metrics /b":           "--apiserver-metrics: only those of this node's API server",
		"scan --apiserver-metrics /no --endpoints https://127.0.0.1:1": "apiserver-metrics: read the API server's metrics",
	} {
		status, out, errs := run(t, strings.Fields(call)...)
		if status != 3 || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %s", call, status, out, errs)
		}
	}
}

// What only looks like it has an effect in combination with something else.
func TestFlagsWithAnEffectAreAccepted(t *testing.T) {
	noEtcdctl(t)
	work := t.TempDir()
	for call, want := range map[string]string{
		"scan /no --endpoints http://127.0.0.1:1 --rate 5 --timeout 5s --work-dir " + work:                "look at /no",
		"scan /no --prefix /x --memory 5MiB --timeline --clock-skew 5s":                                   "look at /no",
		"scan --files=false --rate 5 --endpoints http://127.0.0.1:1":                                      "nothing listens there",
		"scan --timeline --clock-skew 5s --endpoints http://127.0.0.1:1 --memory 5MiB --work-dir " + work: "nothing listens there",
		"host /no --max-snapshot-age 5h":                                                                  "/no: no such file",
	} {
		if _, _, errs := run(t, strings.Fields(call)...); !strings.Contains(errs, want) {
			t.Errorf("%s: %s", call, errs)
		}
	}
}

// One file serves all commands, and so does the environment.
func TestSettingsOfOtherCommandsAreNoMistakeInAFile(t *testing.T) {
	noEtcdctl(t)
	config := file(t, "rate: 5\nconsistency: serializable\ncompare-members: read\nwork-dir: /no/work\nmemory: 1GiB\nclock-skew: 5s\nfiles: false\nroot: /no/root\n"+
		"wal-dir: /no/wal\nendpoints: ['http://127.0.0.1:1']\nsnapshot-dir: [/no]\nfingerprint-key: /no/key\nstrict: true\n")
	t.Setenv("ETCDAUDIT_TIMEOUT", "5s")
	for call, want := range map[string]string{
		"scan":     "nothing listens there",
		"host /no": "/no: no such file",
	} {
		if _, _, errs := run(t, append(strings.Fields(call), "--config", config)...); !strings.Contains(errs, want) {
			t.Errorf("%s: %s", call, errs)
		}
	}
	_, _, errs := run(t, "scan", "/no", "--config", file(t, "rate: 5\ncompare-members: read\nendpoints: ['http://127.0.0.1:1']\nfiles: false\n"))
	if !strings.Contains(errs, "look at /no") {
		t.Error(errs)
	}
}

// The exit status is one rule: what is wrong with the call is 3, what could not be looked at is 2.
func TestTheExitStatusOfMistakesIsOneRule(t *testing.T) {
	noEtcdctl(t)
	dir := t.TempDir()
	named := func(name, text string) string {
		name = filepath.Join(dir, name)
		testkit.Check(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	noDatabase, link := named("x.db", strings.Repeat("no database", 10_000)), filepath.Join(dir, "link")
	testkit.Check(t, os.Symlink(link, link))
	stored := named("report.json", "{")
	emptyMember := t.TempDir()
	testkit.Check(t, os.MkdirAll(emptyMember+"/member/wal", 0o700))
	foreign := filepath.Join(dir, "foreign.db")
	db := testkit.Must(bbolt.Open(foreign, 0o600, nil))(t)
	testkit.Check(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("key"))
		if err != nil {
			return err
		}
		// Revision 2, and a KeyValue with the key "/skydns/a" and the value "v".
		return b.Put([]byte("\x00\x00\x00\x00\x00\x00\x00\x02_\x00\x00\x00\x00\x00\x00\x00\x00"), []byte("\x0a\x09/skydns/a\x10\x02\x18\x02\x20\x01\x2a\x01v"))
	}))
	testkit.Check(t, db.Close())
	for name, tt := range map[string]struct {
		status int
		says   string
		args   []string
	}{
		"an empty name":                 {3, "name of a file to read is empty", []string{"scan", ""}},
		"an empty name of an archive":   {3, "name of a file to read is empty", []string{"host", ""}},
		"an empty name of a report":     {3, "name of a file to read is empty", []string{"report", ""}},
		"an empty name among others":    {3, "name of a file to read is empty", []string{"scan", noDatabase, ""}},
		"no such file":                  {3, "no such file", []string{"scan", "/no/such"}},
		"a file as a directory":         {3, "not a directory", []string{"scan", noDatabase + "/x"}},
		"a link to itself":              {3, "too many levels", []string{"scan", link}},
		"no database":                   {3, "is no database", []string{"scan", noDatabase}},
		"an empty directory":            {3, "is no data directory", []string{"scan", t.TempDir()}},
		"no archive":                    {3, "no such file", []string{"host", "/no/such"}},
		"no stored report":              {3, "no such file", []string{"report", "/no/such"}},
		"half a stored report":          {3, "no report", []string{"report", stored}},
		"an unknown flag":               {3, "unknown flag", []string{"scan", "--such"}},
		"an unknown key":                {3, "unknown key such", []string{"scan", "--config", file(t, "such: 1\n")}},
		"no configuration":              {3, "/no/such", []string{"scan", "--config", "/no/such"}},
		"a work-dir that is none":       {3, "work-dir: make a file in /no/such", []string{"scan", noDatabase, "--work-dir", "/no/such"}},
		"a work-dir that has no files":  {3, "work-dir: make a file in /proc", []string{"scan", noDatabase, "--work-dir", "/proc"}},
		"no such CA":                    {3, "cacert", []string{"scan", "--endpoints", "https://127.0.0.1:1", "--cacert", "/no/such"}},
		"an address that is none":       {3, "want host and port", []string{"scan", "--endpoints", "x"}},
		"a port that is none":           {3, "the port must be a number from 1 to 65535", []string{"scan", "--endpoints", "127.0.0.1:99999"}},
		"a port of a peer that is none": {3, "the port must be a number from 1 to 65535", []string{"tls", "--root", dir, "--peer-endpoints", "https://127.0.0.1:0"}},
		"an empty flag":                 {3, "--endpoints: it is empty", []string{"scan", "--endpoints", ""}},
		"an empty flag of a file":       {3, "--accept: it is empty", []string{"scan", noDatabase, "--accept", ""}},
		"no name of a configuration":    {3, "--config: it is empty", []string{"scan", noDatabase, "--config="}},
		"an empty catalogue":            {3, "--catalogue: it is empty", []string{"controls", "--catalogue", ""}},
		"an empty element":              {3, "--endpoints: an element of the list is empty", []string{"scan", "--endpoints", ", https://127.0.0.1:1"}},
		"an empty key":                  {3, ", line 1: endpoints: it is empty", []string{"scan", "--config", file(t, "endpoints: \"\"\n")}},
		"a rate that is no number":      {3, ", line 1: rate: want a whole number", []string{"scan", "--config", file(t, "rate: 0.9\n")}},
		"spaces around an address":      {2, "nothing listens there", []string{"scan", "--endpoints", " http://127.0.0.1:1 , http://127.0.0.1:2"}},
		"a member without anything":     {3, "is neither a database (snap/db) nor a segment", []string{"scan", emptyMember}},
		"nothing listens":               {2, "nothing listens there", []string{"scan", "--endpoints", "http://127.0.0.1:1"}},
		"a cut archive":                 {3, "truncated", []string{"host", stored}},
		"a cut gzip":                    {2, "cut or damaged", []string{"scan", named("snap.db.gz", "\x1f\x8b\x08\x00"), "--work-dir", dir}},
		"a database without our keys":   {2, "no key that an API server writes", []string{"scan", foreign}},
		"without keys under a prefix":   {2, "no key under /registry/", []string{"scan", foreign, "--prefix", "/registry"}},
	} {
		status, out, errs := run(t, tt.args...)
		if status != tt.status || out != "" || !strings.Contains(errs, tt.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %s", name, status, out, errs)
		}
	}
}

// Root may read everything: what is refused is what only the kernel refuses.
func TestAFileThatTheSystemRefusesIsNotEvaluated(t *testing.T) {
	noEtcdctl(t)
	const refused = "/proc/self/mem" // read at 0: an I/O error
	if _, err := os.ReadFile(refused); err == nil {
		t.Fatal("this system reads " + refused)
	}
	for _, command := range []string{"scan", "report"} {
		if status, out, errs := run(t, command, refused); status != 2 || out != "" || !strings.Contains(errs, "input/output error") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %s", command, status, out, errs)
		}
	}
}

func TestAWrongVariableIsNamedInOneLineAndAnEmptyOneIsNone(t *testing.T) {
	noEtcdctl(t)
	t.Setenv("ETCDAUDIT_ENDPOINTS", "") // as if it were not set
	t.Setenv("ETCDAUDIT_ACCEPT", "")
	if status, _, errs := run(t, "scan", "--endpoints", "http://127.0.0.1:1"); status != 2 || !strings.Contains(errs, "nothing listens there") {
		t.Errorf("status %d, %s", status, errs)
	}
	for variable, text := range map[string]string{"ETCDAUDIT_RATE": "0.9", "ETCDAUDIT_STRICT": "2", "ETCDAUDIT_TIMEOUT": "5", "ETCDAUDIT_ENDPOINTS": "a:1,,b:1"} {
		t.Setenv(variable, text)
		if status, out, errs := run(t, "scan", "/no/such"); status != 3 || out != "" || !strings.HasPrefix(errs, "etcdaudit: "+variable+": ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s=%s: status %d, %q, %s", variable, text, status, out, errs)
		}
		testkit.Check(t, os.Unsetenv(variable))
	}
	t.Setenv("ETCDCTL_ENDPOINTS", "http://127.0.0.1:1, ")
	if status, _, errs := run(t, "scan"); status != 3 || !strings.Contains(errs, "etcd endpoint 2 of 2 is empty") {
		t.Errorf("status %d, %s", status, errs)
	}
}
