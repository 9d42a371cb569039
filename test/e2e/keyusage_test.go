package e2e

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/protojson"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
)

// keyReader is all that a register of keys takes in Vault.
const keyReader = `path "transit/keys/*" { capabilities = ["read"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
`

// usageCase is a control plane and copies of what it has stored.
type usageCase struct {
	*stack
	dir, token string
}

// keyUsage runs key-usage with what it needs to ask Vault for a key; no key is for not asking.
func (u *usageCase) keyUsage(key string, args ...string) scanned {
	u.t.Helper()
	if key != "" {
		args = append(args, "--vault-address", u.vault.Address(0), "--vault-ca-file", u.vault.CAFile(), "--vault-token-file", u.token, "--vault-key", key)
	}
	return u.run(append([]string{"key-usage"}, args...)...)
}

// running are the arguments that name the etcd that runs.
func (u *usageCase) running() []string {
	files := u.etcd.ClientFiles()
	return []string{"--endpoints", strings.Join(u.etcd.Endpoints(), ","), "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key}
}

// register is that of a run, in JSON.
func (u *usageCase) register(status int, key string, args ...string) *auditv1.KeyRegister {
	u.t.Helper()
	r := u.keyUsage(key, append(args, "--output", "json")...)
	if r.status != status {
		u.t.Fatalf("%v: exit status %d, want %d\n%s%s", args, r.status, status, r.out, r.err)
	}
	out := &auditv1.KeyRegister{}
	u.check(protojson.Unmarshal(r.out, out))
	return out
}

// counted are the values that a register counts in a layer, or needs there, by key_id. Copies are
// those of snapshots.
func counted(r *auditv1.KeyRegister, layer string, copies bool, of func(*auditv1.KeyUse) uint32) map[string]int {
	scopes := map[string]bool{}
	for _, s := range r.Scopes {
		scopes[s.Scope.Id] = s.Scope.Layer == layer && (s.Scope.Copy != "") == copies
	}
	n := map[string]int{}
	for _, k := range r.Keys {
		for _, use := range k.Uses {
			if scopes[use.Scope] {
				n[k.KeyId] += int(of(use))
			}
		}
	}
	maps.DeleteFunc(n, func(_ string, n int) bool { return n == 0 })
	return n
}

func (u *usageCase) equal(what string, got, want map[string]int) {
	u.t.Helper()
	if !maps.Equal(got, want) {
		u.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (u *usageCase) snapshot(e *cluster.Etcd, name string) string {
	u.t.Helper()
	file := filepath.Join(u.dir, name)
	out := must(os.Create(file))(u.t)
	in := must(e.Client().Snapshot(u.ctx))(u.t)
	must(io.Copy(out, in))(u.t)
	u.check(in.Close())
	u.check(out.Close())
	return file
}

// keep copies the data directory while the member is not running.
func (u *usageCase) keep(name string) string {
	u.t.Helper()
	u.snapshot(u.etcd, name+".committed.db") // etcd commits what it has
	u.check(u.etcd.Member(0).Kill())
	to := filepath.Join(u.dir, name)
	u.check(os.CopyFS(to, os.DirFS(u.etcd.Member(0).DataDir)))
	u.check(u.etcd.Restart(u.ctx))
	return to
}

// backups writes an inventory.
func (u *usageCase) backups(paths ...string) string {
	u.t.Helper()
	file := filepath.Join(u.t.TempDir(), "backups.txt")
	u.check(os.WriteFile(file, []byte("declared: 2026-01-02\nby: Jane Doe\n"+strings.Join(paths, "\n")+"\n"), 0o600))
	return file
}

func TestTheRegisterOfKeysIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	u := &usageCase{stack: newStack(t), dir: t.TempDir()}
	u.token = must(u.vault.TokenFile(u.ctx, "keyreader", keyReader, "1h"))(t)
	p := u.plugin("a")
	encryption := must(cluster.EncryptSecrets(p.Provider(providerName)))(t)
	// Without the API server's compactions: the test may take longer than five minutes.
	a := must(u.c.StartAPIServer(u.ctx, cluster.APIServerOptions{Name: "a", Etcd: u.etcd, Encryption: encryption, Args: []string{"--etcd-compaction-interval=0"}}))(t)

	// Two seeds under version 1, and one Secret that is only in history later.
	first := must(p.KeyID(u.ctx))(t)
	u.create(a, "old", 6)
	u.restart(a)
	u.create(a, "more", 4)
	before := must(u.etcd.SealedSecrets(u.ctx))(t)
	snapshot := u.snapshot(u.etcd, "before.db")
	u.check(a.Client().CoreV1().Secrets(namespace).Delete(u.ctx, "old-0005", metav1.DeleteOptions{}))
	second := u.rotate(p)
	u.restart(a)
	must(a.RewriteAll(u.ctx, nil))(t)
	u.create(a, "new", 3)
	after := must(u.etcd.SealedSecrets(u.ctx))(t)
	if before.KeyIDs[first] == 0 || after.KeyIDs[second] == 0 || after.KeyIDs[first] != 0 {
		t.Fatalf("before %v, after %v", before.KeyIDs, after.KeyIDs)
	}

	u.countsWhatRuns(first, second, before, after)
	u.restart(a)
	u.decryptsAtLeast(p, a)

	history := u.keep("history")
	now := must(u.etcd.Client().Get(u.ctx, "/"))(t).Header.Revision
	must(u.etcd.Client().Compact(u.ctx, now, clientv3.WithCompactPhysical()))(t)
	u.check(a.WaitReady(u.ctx))
	compacted := u.keep("compacted")

	u.layersAreToldApart(history, compacted, snapshot, first, second, before, after)
	u.answers(history, compacted, snapshot)
	u.otherKeys(history)
	u.raisedMinimum(history, first)
	u.otherCluster(compacted, second)
}

func (u *usageCase) countsWhatRuns(first, second string, before, after cluster.Sealed) {
	u.t.Helper()
	live := u.register(2, keyName, u.running()...)
	u.equal("live values", counted(live, "live", false, (*auditv1.KeyUse).GetNeeded), after.KeyIDs)
	u.equal("DEK sources", counted(live, "live", false, (*auditv1.KeyUse).GetDekSources), map[string]int{second: len(after.Sources)})
	most := 0
	for _, n := range after.Sources {
		most = max(most, n)
	}
	u.equal("the most under one", counted(live, "live", false, (*auditv1.KeyUse).GetMostValues), map[string]int{second: most})
	u.equal("history", counted(live, "history", false, (*auditv1.KeyUse).GetNeeded), map[string]int{first: before.KeyIDs[first]})
	if reasons := strings.Join(live.Reasons, "; "); !strings.Contains(reasons, "no inventory of backups") || len(live.Unread) != 0 {
		u.t.Errorf("%s; %v", reasons, live.Unread)
	}
	for _, k := range live.Keys {
		if k.Kind != "kms v2" || k.TransitKey != "transit/"+keyName || k.Created == nil || k.CreatedSource != "vault" {
			u.t.Errorf("%+v", k)
		}
	}
}

// decryptsAtLeast restarts an API server and compares the register with the plugin's own counter.
func (u *usageCase) decryptsAtLeast(p *cluster.Plugin, a *cluster.APIServer) {
	u.t.Helper()
	decrypts := func() int {
		n, _ := must(p.Metrics(u.ctx))(u.t).Sum("sealproof_kms_requests_total", "method=Decrypt")
		return int(n)
	}
	u.create(a, "third", 2) // a further seed
	live := u.register(2, "", u.running()...)
	expected, begin := int(live.Scopes[0].Scope.DekSources), decrypts()
	u.restart(a)
	u.list(a)
	if made := decrypts() - begin; expected < 2 || made < expected {
		u.t.Errorf("the plugin counts %d Decrypt calls at a restart, at least %d were expected", made, expected)
	}
}

func (u *usageCase) layersAreToldApart(history, compacted, snapshot, first, second string, before, after cluster.Sealed) {
	u.t.Helper()
	needed := (*auditv1.KeyUse).GetNeeded
	r := u.register(2, keyName, history, "--backups", u.backups(snapshot))
	live := map[string]int{second: after.KeyIDs[second] + 2} // the two of decryptsAtLeast
	u.equal("live values of a data directory", counted(r, "live", false, needed), live)
	// Every value of before was overwritten or deleted, and is an older revision.
	u.equal("history", counted(r, "history", false, needed), map[string]int{first: before.KeyIDs[first]})
	u.equal("a snapshot of before the rotation", counted(r, "live", true, needed), before.KeyIDs)
	u.equal("its DEK sources", counted(r, "live", true, (*auditv1.KeyUse).GetDekSources), map[string]int{first: len(before.Sources)})
	if n := counted(r, "wal", false, (*auditv1.KeyUse).GetValues)[first]; n < before.KeyIDs[first] {
		u.t.Errorf("%d values under version 1 in the log", n)
	}
	u.equal("the log, all of which is in the database", counted(r, "wal", false, needed), nil)

	r = u.register(2, keyName, compacted, "--backups", u.backups("none"))
	u.equal("history after compaction", counted(r, "history", false, needed), nil)
	if n := counted(r, "free-pages", false, (*auditv1.KeyUse).GetValues)[first]; n == 0 {
		u.t.Error("no value under version 1 is left in free pages")
	}
	for _, k := range r.Keys {
		if (k.LastNeeded != nil) != (k.KeyId == second) || len(k.LocalKek) != 16 && len(k.Uses) > 0 {
			u.t.Errorf("%s was last needed %v, local KEK %s", k.KeyId, k.LastNeeded, k.LocalKek)
		}
		for _, use := range k.Uses {
			if use.FirstRevision > 0 && (use.FirstWritten.GetNotBefore() == nil || use.LastWritten.GetNotAfter() == nil || k.Created.AsTime().After(use.LastWritten.NotAfter.AsTime())) {
				u.t.Errorf("%s in %s was written from %v to %v", k.KeyId, use.Scope, use.FirstWritten, use.LastWritten)
			}
		}
	}
}

func (u *usageCase) answers(history, compacted, snapshot string) {
	u.t.Helper()
	none, all := u.backups("none"), u.backups(snapshot)
	for _, asked := range []string{"", keyName} {
		running := func(args ...string) scanned { return u.keyUsage(asked, append(u.running(), args...)...) }
		running("--below", "2", "--backups", none).wants(u.t, 0, "PASS", "Jane Doe", "2026-01-02", "nothing that was read needs a version below 2")
		u.keyUsage(asked, compacted, "--below", "2", "--backups", none).wants(u.t, 2, "NOT EVALUATED", "the cluster itself")
		u.keyUsage(asked, history, "--below", "2", "--backups", none).wants(u.t, 1, "FAIL", "history", "secrets/default/old-0005")
		u.keyUsage(asked, compacted, "--below", "2", "--backups", all).wants(u.t, 1, "FAIL", "before.db", "secrets/default/more-0000")
		running("--below", "1", "--backups", all).wants(u.t, 0, "PASS")
		u.keyUsage(asked, compacted, "--below", "2").wants(u.t, 2, "NOT EVALUATED", "no inventory of backups")
	}
	gone := filepath.Join(u.dir, "gone.db")
	u.keyUsage("", compacted, "--below", "2", "--backups", u.backups(gone)).wants(u.t, 2, "the backup "+gone)
	u.keyUsage("", compacted, "--below", "2", "--backups", u.backups(gone, filepath.Join(u.dir, "bef*.db"))).wants(u.t, 1, "the backup "+gone, "FAIL")
	u.keyUsage("", snapshot, "--backups", none).wants(u.t, 2, "the cluster itself")
	u.keyUsage(keyName, history, "--backups", none, "--max-age", "1ns").wants(u.t, 2, "0 days old")

	lines := must(csv.NewReader(strings.NewReader(string(u.keyUsage(keyName, history, "--backups", none, "-o", "csv").out))).ReadAll())(u.t)
	uses := 0
	for _, k := range u.register(2, keyName, history, "--backups", none).Keys {
		uses += max(1, len(k.Uses))
	}
	if len(lines) != 1+uses {
		u.t.Errorf("%d lines of CSV for %d uses", len(lines), uses)
	}

	// The rest goes on without Vault.
	token := u.token
	u.token = must(u.vault.TokenFile(u.ctx, "powerless", cluster.TokenPolicy, "1h"))(u.t)
	u.keyUsage(keyName, compacted, "--backups", none).wants(u.t, 2, "the key transit/"+keyName+" in Vault", "NOT EVALUATED")
	u.token = token
}

// otherKeys asks about a key that nothing is under.
func (u *usageCase) otherKeys(history string) {
	u.t.Helper()
	u.check(u.vault.CreateKey(u.ctx, "other", nil))
	none := u.backups("none")
	u.keyUsage("other", history, "--below", "2", "--backups", none).wants(u.t, 2, "--vault-other-key")
	running := append(u.running(), "--below", "3", "--backups", none)
	u.keyUsage("other", running...).wants(u.t, 2, "--vault-other-key")
	u.keyUsage("other", append(running, "--vault-other-key", "transit/"+keyName)...).wants(u.t, 0, "PASS", "transit/other")
}

// raisedMinimum asks where Vault lists version 1 no more.
func (u *usageCase) raisedMinimum(history, first string) {
	u.t.Helper()
	file, none := filepath.Join(u.dir, "register.json"), u.backups("none")
	u.keyUsage(keyName, history, "--backups", none, "--output", "json="+file).wants(u.t, 2)
	u.check(u.vault.ConfigureKey(u.ctx, keyName, map[string]any{"min_decryption_version": 2, "min_encryption_version": 2}))
	u.keyUsage(keyName, history, "--below", "2", "--backups", none).wants(u.t, 2, first, "decrypts from 2 on", "--register")
	// Twice: a register that was made of one keeps what that has.
	for range 2 {
		u.keyUsage(keyName, history, "--below", "2", "--backups", none, "--register", file, "--output", "json="+file, "--output", "table").
			wants(u.t, 1, first, "not listed by Vault any more")
	}
	r := u.register(2, keyName, history, "--backups", none, "--register", file)
	for _, k := range r.Keys {
		if k.KeyId == first && (k.Created == nil || k.CreatedSource != "register") || k.KeyId != first && k.CreatedSource != "vault" {
			u.t.Errorf("%s was created %v, as the %s says", k.KeyId, k.Created, k.CreatedSource)
		}
	}
	text := must(os.ReadFile(file))(u.t)
	changed := strings.ReplaceAll(string(text), first, first[:len(first)-1]+"x")
	u.check(os.WriteFile(file, []byte(changed), 0o600))
	u.keyUsage(keyName, history, "--register", file).wants(u.t, 3, "the file was changed")
}

// otherCluster has a second cluster write under the same key.
func (u *usageCase) otherCluster(compacted, second string) {
	u.t.Helper()
	etcd := must(u.c.StartEtcd(u.ctx, 1))(u.t)
	options := u.options("b", nil)
	options.Cluster = "second"
	p := must(u.c.StartPlugin(u.ctx, options))(u.t)
	encryption := must(cluster.EncryptSecrets(p.Provider(providerName)))(u.t)
	b := must(u.c.StartAPIServer(u.ctx, cluster.APIServerOptions{Name: "b", Etcd: etcd, Encryption: encryption}))(u.t)
	u.check(cluster.NewSecretWriter().Create(u.ctx, b, namespace, "b", 5))
	sealed := must(etcd.SealedSecrets(u.ctx))(u.t)
	r := u.register(2, keyName, compacted, "--backups", u.backups(u.snapshot(etcd, "second.db")))
	clusters := map[string]int{}
	for _, k := range r.Keys {
		for _, use := range k.Uses {
			if k.KeyId == second && k.Cluster == "second" {
				clusters[fmt.Sprint(k.Cluster, " ", k.KeyId)] += int(use.Needed)
			}
		}
	}
	u.equal("the other cluster's", clusters, map[string]int{"second " + second: sealed.KeyIDs[second]})
}
