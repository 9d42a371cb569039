package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

const inventory = "declared: 2026-01-02\nby: Jane Doe\n"

func TestKeyUsageOfARunningEtcd(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	put(t, e, "secrets/default/a", stored.KMSv2("p", "k1", 1))
	put(t, e, "secrets/default/b", stored.KMSv2("p", "k2", 2))
	put(t, e, "secrets/default/c", stored.Keyed("aescbc", "key1", ""))
	put(t, e, "configmaps/default/c", stored.Plaintext)
	put(t, e, "secrets/default/d", stored.Malformed)

	none := file(t, inventory+"none\n")
	status, out, errs := run(t, "key-usage", "--below", "1", "--backups", none)
	if status != 0 || errs != "" || !strings.Contains(oneLine(out), "Read: history (older revisions) at revision ") || !strings.Contains(out, "PASS") {
		t.Errorf("status %d: %s%s", status, errs, out)
	}
	// With the member's files there is nothing left to ask for, whatever its log has more of.
	put(t, e, "secrets/default/a", stored.KMSv2("p", "k2", 2))
	data, work := e.Member(0).DataDir, t.TempDir()
	for below, want := range map[string]int{"2": 1, "1": 0} {
		status, out, errs := run(t, "key-usage", data, "--work-dir", work, "--below", below, "--backups", none)
		if status != want || !strings.Contains(oneLine(out), inWords(t, e)) || below == "2" && !strings.Contains(out, "secrets/default/a") {
			t.Errorf("below %s: status %d: %s%s", below, status, errs, out)
		}
	}
	if status, out, _ := run(t, "key-usage", data, "--below", "1", "--backups", none); status != 2 || !strings.Contains(oneLine(out), "give --work-dir") {
		t.Errorf("status %d: %s", status, out)
	}
	if names := namesIn(t, work); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	put(t, e, "secrets/default/a", stored.KMSv2("p", "k1", 1))

	dir := t.TempDir()
	table, list := filepath.Join(dir, "table"), filepath.Join(dir, "list")
	config := file(t, "below: 2\nbackups: "+none+"\noutput: [table="+table+", csv="+list+", json]\ntimeline: true\nplan: true\nfail-on: low\n")
	status, out, errs = run(t, "key-usage", "--config", config)
	if status != 1 || errs != "" {
		t.Errorf("status %d: %s", status, errs)
	}
	r := &auditv1.KeyRegister{}
	testkit.Check(t, protojson.Unmarshal([]byte(out), r))
	if s := r.Scopes[0]; len(r.Scopes) != 2 || s.Encrypted != 3 || s.Plaintext != 1 || s.Malformed != 1 || s.Scope.DekSources != 2 || len(r.Keys) != 3 || r.Backups.GetBy() != "Jane Doe" {
		t.Errorf("%+v", r)
	}
	for _, written := range []string{table, list} {
		if text := string(testkit.Must(os.ReadFile(written))(t)); !strings.Contains(text, "k1") || strings.Contains(text, stored.Canary) {
			t.Errorf("%s: %s", written, text)
		}
	}
	t.Setenv("ETCDAUDIT_BELOW", "1")
	if status, out, _ := run(t, "key-usage", "--backups", none); status != 0 || !strings.Contains(out, "below 1") {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestKeyUsageThatIsCalledWronglyOrCannotReadSaysSo(t *testing.T) {
	noEtcdctl(t)
	const etcd = "--endpoints http://127.0.0.1:1"
	for args, want := range map[string]string{
		etcd + " --output html":                                             "output: \"html\": want table, json or csv",
		etcd + " --below -1":                                                "below: -1",
		etcd + " --max-age -1h":                                             "max-age",
		etcd + " --backups /no/such":                                        "backups: stat /no/such",
		etcd + " --backups /dev/zero":                                       "/dev/zero is no regular file",
		etcd + " --backups " + file(t, "/var/backups\n"):                    "when it was declared complete",
		etcd + " --register /no/such --vault-key k" + vault(t):              "register: open /no/such",
		etcd + " --register " + file(t, "{}") + " --vault-key k" + vault(t): "this is no register of keys",
		etcd + " --register /no/such":                                       "--register: it is about a key in Vault",
		etcd + vault(t):                                                     "--vault-address: it is about a key in Vault",
		etcd + " --vault-key k":                                             "vault-address: give Vault's URL",
		etcd + " --vault-key k --vault-address https://127.0.0.1:1":         "vault-token-file: name the file",
		etcd + " --vault-key ../k" + vault(t):                               "vault-key: \"../k\" is not a name",
		etcd + " --vault-key k --vault-other-key other" + vault(t):          "\"other\": want MOUNT/NAME",
		etcd + " --rate 5 --work-dir /tmp":                                  "--work-dir: it is for files",
		etcd + " --vault-key k --vault-address https://127.0.0.1:1 --vault-token-file /no/token": "vault-token-file: stat /no/token",
		"/no/such":              "no such file",
		"/no --rate 5":          "--rate: with a path",
		"--wal-dir /no " + etcd: "--wal-dir",
		etcd + " --fail-on low": "unknown flag: --fail-on",
	} {
		status, out, errs := run(t, slices.Concat([]string{"key-usage"}, strings.Fields(args))...)
		if status != 3 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %q, %s", args, status, out, errs)
		}
	}
	if status, out, errs := run(t, "key-usage", "--endpoints", "http://127.0.0.1:1"); status != 2 || out != "" || !strings.Contains(errs, "nothing listens there") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d, %q, %s", status, out, errs)
	}
}

// The next call reads the earlier register, and a folder of backups: a register in their place would
// be lost, or be taken for a backup.
func TestARegisterIsNotWrittenInThePlaceOfWhatIsReadAgain(t *testing.T) {
	created := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	seen := &auditv1.KeyRegister{Tool: &auditv1.Tool{Name: name}, Time: timestamppb.New(created), Status: auditv1.Status_STATUS_PASS}
	for _, key := range []string{"a", "b"} {
		seen.Keys = append(seen.Keys, &auditv1.Key{TransitKey: "transit/" + key, KeyId: envelope.KeyID("transit", key, 1, created), Created: timestamppb.New(created)})
	}
	earlier, folder := file(t, string(testkit.Must(protojson.Marshal(seen))(t))), t.TempDir()
	of := func(key, args string) []string {
		return strings.Fields("key-usage --endpoints http://127.0.0.1:1 --vault-mount transit --vault-key " + key + vault(t) + " " + args)
	}
	for want, args := range map[string][]string{
		earlier + " is read in this call (register":                    of("a", "--register "+earlier+" --output csv="+earlier),
		"output: " + earlier + " is read in this call (register":       of("a", "--register "+earlier+" --output table="+earlier),
		"is of transit/a, transit/b, and of no key":                    of("c", "--register "+earlier),
		"would be replaced, and has versions of transit/b as well":     of("a", "--register "+earlier+" --output json="+earlier),
		"lies in " + folder + ", which is read in this call (backups)": of("a", "--backups "+file(t, inventory+folder+"\n")+" --output json="+folder+"/keys.json"),
	} {
		if status, out, errs := run(t, args...); status != 3 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %q, %s", want, status, out, errs)
		}
	}
	// What is left is that no etcd is there.
	for _, args := range [][]string{
		of("a", "--register "+earlier), of("a", "--register "+earlier+" --output json="+folder+"/keys.json"),
		of("a", "--vault-other-key transit/b --register "+earlier+" --output json="+earlier),
	} {
		if status, out, errs := run(t, args...); status != 2 || out != "" || !strings.Contains(errs, "nothing listens there") {
			t.Errorf("%q: status %d, %q, %s", args, status, out, errs)
		}
	}
}

func vault(t *testing.T) string {
	t.Helper()
	return " --vault-address https://127.0.0.1:1 --vault-token-file " + file(t, "token")
}

// What an operator types on a node, apart from where the node's file system is.
func TestKeyUsageOfANodeReadsItsEtcdItsFilesAndTheBackups(t *testing.T) {
	e, dir := leftBehind(t)
	root, work := nodeOf(t, e), t.TempDir()
	copied, broken := filepath.Join(dir, "snapshot.db"), filepath.Join(dir, "broken.db")
	testkit.Check(t, os.WriteFile(broken, testkit.Must(os.ReadFile(copied))(t)[:5000], 0o600))
	register := func(status int, args ...string) *auditv1.KeyRegister {
		got, out, errs := run(t, append([]string{"key-usage", "--root", root, "--work-dir", work, "--output", "json"}, args...)...)
		r := &auditv1.KeyRegister{}
		if err := protojson.Unmarshal([]byte(out), r); err != nil || got != status || !strings.Contains(errs, "etcd at "+e.Endpoints()[0]) || !strings.Contains(errs, "files as well: "+root+"/srv/etcd, ") {
			t.Fatalf("status %d, want %d: %v: %s%s", got, status, err, errs, out)
		}
		return r
	}
	layers := func(r *auditv1.KeyRegister, word string) (all []string) {
		for _, s := range r.Scopes {
			if strings.Contains(s.Scope.Text, word) {
				all = append(all, s.Scope.Layer)
			}
		}
		return all
	}
	r := register(0, "--backups", file(t, inventory+copied+"\n"))
	for what, want := range map[string][]string{
		"(" + e.Endpoints()[0] + ")": {"live"}, "srv/etcd/member/snap/db": {"live", "history", "free-pages"},
		"srv/etcd/member/wal": {"wal"}, "snapshot.db": {"live", "history", "free-pages"},
	} {
		if got := layers(r, what); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	// A backup that is broken is named, and the rest is read. A name in two patterns is read once.
	r = register(2, "--backups", file(t, inventory+copied+"\n"+dir+"/*.db\n"))
	if len(layers(r, "snapshot.db")) != 3 || len(r.Unread) == 0 || !strings.Contains(r.Unread[0].Name+r.Unread[0].Reason, "broken.db") {
		t.Errorf("%v; unread: %v", layers(r, ""), r.Unread)
	}
	// A folder that is listed holds backups, whatever they are called.
	encrypted := t.TempDir()
	write(t, filepath.Join(encrypted, "monday"), "of another program")
	r = register(2, "--backups", file(t, inventory+copied+"\n"+encrypted+"\n"))
	if len(r.Unread) != 1 || !strings.Contains(r.Unread[0].Reason, "monday is no database") {
		t.Errorf("unread: %v", r.Unread)
	}
	if names := namesIn(t, work); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}
