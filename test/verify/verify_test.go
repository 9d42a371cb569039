package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/kmssocket"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/transitkey"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/internal/rig"
	"github.com/sealproof/sealproof/test/testkit"
	"github.com/sealproof/sealproof/vaultbackend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

const (
	keyName   = "kubernetes"
	namespace = "default"
	canary    = "correct horse battery staple"
	// patient bounds a hang; nothing here takes so long on a loaded machine.
	patient = 2 * time.Minute
	// limit bounds the whole test.
	limit = 20 * time.Minute
)

var programs = rig.Programs(components.ETCDAudit)

// stored is what etcd holds.
type stored []*mvccpb.KeyValue

// found counts values by what became of them, and lists what was not opened.
type found struct {
	outcomes map[verify.Outcome]int
	formats  map[storedvalue.Format]int
	unsaid   []string
	rest     map[string]verify.Result
	// unwrapped is how many sources were met.
	unwrapped int
}

// decrypts is how many sources a plugin was asked for.
func decrypts(ctx context.Context, t *testing.T, p *cluster.Plugin) int {
	t.Helper()
	n, ok := testkit.Must(p.Metrics(ctx))(t).Sum("sealproof_kms_requests_total", "method=Decrypt")
	if !ok {
		t.Fatal("the plugin does not count its requests")
	}
	return int(n)
}

// open opens everything.
func (s stored) open(t *testing.T, u verify.Unwrapper, keys []*keyring.Key) found {
	t.Helper()
	f := found{outcomes: map[verify.Outcome]int{}, formats: map[storedvalue.Format]int{}, rest: map[string]verify.Result{}}
	sources := verify.NewSources(u)
	defer sources.Clear()
	o := verify.New(verify.Config{Sources: sources, Keys: keys})
	defer o.Clear()
	for _, kv := range s {
		r := o.Open(t.Context(), kv.Key, kv.Value)
		f.outcomes[r.Outcome]++
		f.formats[storedvalue.Parse(kv.Value).Format]++
		switch {
		case r.Outcome != verify.Opened || r.Identity == verify.Differs:
			f.rest[string(kv.Key)] = r
		case r.Identity == verify.Unsaid:
			f.unsaid = append(f.unsaid, string(kv.Key))
		}
	}
	f.unwrapped = sources.Len()
	return f
}

// all requires that everything was opened and is what its key names.
func (f found) all(t *testing.T, how string) {
	t.Helper()
	for key, r := range f.rest {
		t.Errorf("%s: %s: %+v", how, key, r)
	}
	for _, key := range f.unsaid {
		if path := strings.Split(key, "/")[2]; !slices.Contains([]string{"ranges", "peerserverleases", "masterleases"}, path) {
			t.Errorf("%s: %s does not say what it is", how, key)
		}
	}
}

// secrets requires one outcome of the Secrets of a prefix, and that all else is
// opened.
func (f found) secrets(t *testing.T, how, prefix string, want verify.Outcome, says string) {
	t.Helper()
	seen := 0
	for key, r := range f.rest {
		if !strings.HasPrefix(key, cluster.SecretKey(namespace, prefix)) {
			t.Errorf("%s: %s: %+v", how, key, r)
			continue
		}
		seen++
		if r.Outcome != want || !strings.Contains(r.Why, says) || strings.Contains(r.Why, "hvs.") {
			t.Errorf("%s: %s: %+v, want %v", how, key, r, want)
		}
	}
	if seen == 0 {
		t.Errorf("%s: every Secret is opened", how)
	}
}

func TestWhatRealComponentsHaveWritten(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, opts := rig.Start(t, programs)
	vault, role := rig.StartVault(ctx, t, c, 1, keyName)
	etcd := testkit.Must(c.StartEtcd(ctx, 1))(t)
	quick := map[string]any{"probe-interval": "500ms", "probe-interval-failing": "500ms", "promotion-delay": "2s"}
	options := cluster.PluginOptions{Vault: vault, Role: role, Key: keyName, Config: quick}
	plugin := testkit.Must(c.StartPlugin(ctx, options))(t)
	configuration := strings.NewReplacer("SOCKET", plugin.Socket()).Replace(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- {resources: [secrets], providers: [{kms: {apiVersion: v2, name: p, endpoint: "unix://SOCKET"}}]}
- {resources: [configmaps], providers: [{aescbc: {keys: [{name: a, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}}]}
- {resources: [leases.coordination.k8s.io], providers: [{aesgcm: {keys: [{name: b, secret: MTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}}]}
- {resources: [serviceaccounts], providers: [{secretbox: {keys: [{name: "c:d", secret: MjEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}}]}
`)
	server := testkit.Must(c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: etcd, Encryption: configuration}))(t)
	var ring keyring.Keyring
	defer ring.Clear()
	testkit.Must(encryptionconfig.LoadWithKeys(server.EncryptionFile(), ring.Opener))(t)

	for i := range 5 {
		name := fmt.Sprintf("%d", i)
		api, meta := server.Client(), metav1.ObjectMeta{Name: "verify-" + name, Namespace: namespace}
		testkit.Must(api.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"a": canary}}, metav1.CreateOptions{}))(t)
		testkit.Must(api.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}))(t)
		testkit.Must(api.CoordinationV1().Leases(namespace).Create(ctx, &coordinationv1.Lease{ObjectMeta: meta}, metav1.CreateOptions{}))(t)
	}
	writer := cluster.NewSecretWriter()
	write := func(prefix string) stored {
		t.Helper()
		testkit.Check(t, writer.Create(ctx, server, namespace, prefix, 10))
		var all stored
		testkit.Check(t, etcd.Walk(ctx, "/registry/", func(kv *mvccpb.KeyValue) error { all = append(all, kv); return nil }))
		return all
	}
	testkit.Check(t, writer.PutValue(ctx, server, namespace, "old-canary", []byte(canary)))
	const definition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",` +
		`"names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`
	testkit.Check(t, server.Client().CoreV1().RESTClient().Post().AbsPath("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").
		SetHeader("Content-Type", "application/json").Body([]byte(definition)).Do(ctx).Error())
	values := write("old")

	log := testkit.Must(os.Create(filepath.Join(t.TempDir(), "log")))(t) // a file may be read while others write
	defer log.Close()
	logger := slog.New(slog.NewTextHandler(log, nil))
	socket := func(p *cluster.Plugin) verify.Unwrapper {
		t.Helper()
		u := testkit.Must(kmssocket.Open(ctx, "unix://"+p.Socket(), patient))(t)
		t.Cleanup(func() { testkit.Check(t, u.Close()) })
		return verify.Paced("plugin", u, verify.DefaultPace(), logger)
	}
	auditorPolicy := rig.Deployed(t, "auditor-policy.hcl")
	token := testkit.Must(vault.TokenFile(ctx, "auditor", auditorPolicy, "1h"))(t)
	command := auditor{
		binary: opts.Binaries.Path(components.ETCDAudit), dir: t.TempDir(), etcd: etcd, vault: vault, socket: plugin.Socket(), encryption: server.EncryptionFile(), token: token,
		keyID:   testkit.Must(plugin.KeyID(ctx))(t),
		secrets: []string{canary, "0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef", "2123456789abcdef0123456789abcdef", string(testkit.Must(os.ReadFile(token))(t))},
	}
	command.opensLive(ctx, t)
	transit := func(key string, clusters ...string) verify.Unwrapper {
		t.Helper()
		config := vaultbackend.DefaultConfig()
		config.Address, config.CAFile, config.Key = vault.Addresses(), vault.CAFile(), key
		config.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: token}
		k := testkit.Must(vaultbackend.New(config, logger, kmsplugin.SinceBoot, nil))(t)
		t.Cleanup(k.Close)
		return verify.Paced("transit", transitkey.New(k, clusters...), verify.DefaultPace(), logger)
	}

	for how, u := range map[string]verify.Unwrapper{"plugin": socket(plugin), "transit": transit(keyName), "transit of the cluster": transit(keyName, "test")} {
		f := values.open(t, u, ring.Keys())
		f.all(t, how)
		for _, format := range []storedvalue.Format{storedvalue.Protobuf, storedvalue.KMSv2, storedvalue.AESCBC, storedvalue.AESGCM, storedvalue.Secretbox} {
			if f.formats[format] < 5 {
				t.Errorf("%s: %d values are %v: the test proves little", how, f.formats[format], format)
			}
		}
		if f.unwrapped != 1 || len(f.unsaid) == 0 {
			t.Errorf("%s: %d sources; %d without a name", how, f.unwrapped, len(f.unsaid))
		}
	}
	values.moved(t, transit(keyName), ring.Keys())

	// A backup: what is live in it, and what was overwritten before.
	testkit.Check(t, writer.Create(ctx, server, namespace, "old", 10))
	snapshot := filepath.Join(c.Dir(), "backup.db")
	in := testkit.Must(etcd.Client().Snapshot(ctx))(t)
	backup := testkit.Must(os.Create(snapshot))(t)
	testkit.Must(backup.ReadFrom(in))(t)
	testkit.Check(t, errors.Join(in.Close(), backup.Close()))
	for layer, tally := range tallies(t, snapshot, transit(keyName), ring.Keys()) {
		if tally.Values < 10 || tally.Outcomes[verify.Opened] != tally.Values || tally.Identities[verify.Same] < 10 || len(tally.Findings()) > 0 {
			t.Errorf("%s of a backup: %d values: %v, %v; %v", layer, tally.Values, tally.Outcomes, tally.Identities, tally.Findings())
		}
	}
	values.restored(t, transit(keyName), ring.Keys())
	command.opensBackup(ctx, t, snapshot)
	command.eachRightIsNeeded(ctx, t, auditorPolicy, snapshot)
	command.badInput(ctx, t, snapshot)

	// Another plugin of the same key, another key, and nobody at all.
	foreign := options
	foreign.Name, foreign.Cluster = "b", "other"
	other := testkit.Must(c.StartPlugin(ctx, foreign))(t)
	values.open(t, socket(other), ring.Keys()).secrets(t, "another cluster's plugin", "", verify.OtherCluster, `it was sealed for "test"`)
	values.open(t, transit(keyName, "other"), ring.Keys()).secrets(t, "another cluster", "", verify.OtherCluster, `"test"`)
	testkit.Check(t, vault.CreateKey(ctx, "other", nil))
	testkit.Check(t, vault.PutPolicy(ctx, "auditor", auditorPolicy+"\npath \"transit/decrypt/other\" { capabilities = [\"update\"] }"))
	values.open(t, transit("other"), ring.Keys()).secrets(t, "another Transit key", "", verify.WrongKey, "authentication failed")
	values.open(t, transit("forbidden"), ring.Keys()).secrets(t, "a token without rights", "", verify.NotEvaluated, "decrypt with transit/keys/forbidden")
	gone := socket(other)
	testkit.Check(t, other.Stop(ctx))
	values.open(t, gone, ring.Keys()).secrets(t, "a plugin that has ended", "", verify.NotEvaluated, "")

	// A version that Vault no longer decrypts with.
	old := testkit.Must(plugin.KeyID(ctx))(t)
	testkit.Must(vault.Rotate(ctx, keyName))(t)
	testkit.Check(t, server.WaitKeyID(ctx, testkit.Must(plugin.WaitNewKeyID(ctx, old))(t)))
	values = write("new")
	f := values.open(t, socket(plugin), ring.Keys())
	f.all(t, "both versions")
	testkit.Check(t, vault.ConfigureKey(ctx, keyName, map[string]any{"min_decryption_version": 2}))
	values.open(t, transit(keyName), ring.Keys()).secrets(t, "a retired version", "old", verify.VersionRetired, "below min_decryption_version")
	for layer, tally := range tallies(t, snapshot, transit(keyName), ring.Keys()) {
		if n := tally.Outcomes[verify.VersionRetired]; n < 10 || n+tally.Outcomes[verify.Opened] != tally.Values || len(tally.Findings()) != int(n) {
			t.Errorf("%s of a backup of before the rotation: %d values: %v", layer, tally.Values, tally.Outcomes)
		}
	}
	command.retired(ctx, t, snapshot)
	retired := slices.IndexFunc(values, func(kv *mvccpb.KeyValue) bool { return string(kv.Key) == cluster.SecretKey(namespace, "old-0000") })
	testkit.Check(t, plugin.WaitFor(ctx, "refuse the retired version", func(context.Context) error {
		f := values[retired:retired+1].open(t, socket(plugin), nil)
		if f.outcomes[verify.Opened] > 0 {
			return errors.New("it still opens")
		}
		return nil
	}))
	values.open(t, socket(plugin), ring.Keys()).secrets(t, "a retired version, by the plugin", "old", verify.VersionRetired, "open what key version 1 sealed")

	// One request for each source, by the plugin's own count. An API server's start is
	// a source more; no other API server asks now.
	testkit.Check(t, vault.ConfigureKey(ctx, keyName, map[string]any{"min_decryption_version": 1}))
	testkit.Check(t, plugin.WaitFor(ctx, "serve the version again", func(context.Context) error {
		if f := values[retired:retired+1].open(t, socket(plugin), nil); f.outcomes[verify.Opened] == 0 {
			return errors.New("it does not open")
		}
		return nil
	}))
	testkit.Check(t, server.Restart(ctx))
	values = write("newer")
	testkit.Check(t, server.Kill())
	before := decrypts(ctx, t, plugin)
	f = values.open(t, socket(plugin), ring.Keys())
	f.all(t, "after a restart")
	if asked := decrypts(ctx, t, plugin) - before; f.unwrapped < 3 || asked != f.unwrapped {
		t.Errorf("%d requests for %d sources, want one for each of at least 3", asked, f.unwrapped)
	}

	shown(t, log.Name(), token)
	command.workFiles(ctx, t, plugin.KMS(), command.tampered(ctx, t, values))
}

// tallies opens what a copy of etcd's database holds, without the cluster: its live
// values, and those that were overwritten.
func tallies(t *testing.T, file string, u verify.Unwrapper, keys []*keyring.Key) map[record.Layer]*verify.Tally {
	t.Helper()
	set := testkit.Must(offline.Open(t.Context(), []string{file}, offline.Options{Now: time.Now}))(t)
	defer set.Close()
	sources := verify.NewSources(u)
	defer sources.Clear()
	v := verify.NewVerifier(verify.Config{Sources: sources, Keys: keys})
	defer v.Clear()
	layers := map[record.Layer]*verify.Tally{record.Live: verify.NewTally(), record.History: verify.NewTally()}
	for _, source := range set.Sources {
		testkit.Check(t, source.Read(t.Context(), func(records []record.Record) error {
			for i, r := range v.Open(t.Context(), records) {
				// What is in free pages depends on when etcd has written which page.
				if tally := layers[records[i].Origin.Layer]; tally != nil {
					tally.Add(records[i], r)
				}
			}
			return nil
		}))
	}
	return layers
}

// restored reads every value as if it had been restored under another prefix: what is
// bound to its place is not read by an API server of that prefix, and the report can
// say of which prefix it is.
func (s stored) restored(t *testing.T, u verify.Unwrapper, keys []*keyring.Key) {
	t.Helper()
	sources := verify.NewSources(u)
	defer sources.Clear()
	o := verify.New(verify.Config{Sources: sources, Keys: keys, Prefixes: []string{"/restored", "/registry"}})
	defer o.Clear()
	moved := 0
	for _, kv := range s {
		r := o.Open(t.Context(), append([]byte("/restored"), bytes.TrimPrefix(kv.Key, []byte("/registry"))...), kv.Value)
		want, from := verify.Opened, ""
		if format := storedvalue.Parse(kv.Value).Format; format == storedvalue.KMSv2 || format == storedvalue.AESGCM {
			want, from = verify.Moved, string(kv.Key)
			moved++
		}
		if r.Outcome != want || r.From != from || r.Identity == verify.Differs {
			t.Errorf("%s under another prefix: %+v", kv.Key, r)
		}
	}
	if moved < 10 {
		t.Errorf("%d values are bound to their place: the test proves little", moved)
	}
}

// moved puts every encrypted value under the key of the one before it.
func (s stored) moved(t *testing.T, u verify.Unwrapper, keys []*keyring.Key) {
	t.Helper()
	sources := verify.NewSources(u)
	defer sources.Clear()
	o := verify.New(verify.Config{Sources: sources, Keys: keys})
	defer o.Clear()
	seen := map[storedvalue.Format]int{}
	for i, kv := range s[1:] {
		at := s[i]
		r := o.Open(t.Context(), at.Key, kv.Value)
		format := storedvalue.Parse(kv.Value).Format
		seen[format]++
		want, from := verify.Opened, ""
		if format == storedvalue.KMSv2 || format == storedvalue.AESGCM {
			want, from = verify.Moved, string(kv.Key)
		}
		parts := strings.Split(string(kv.Key), "/")
		if r.Outcome != want || r.From != from || r.Identity != verify.Differs && format != storedvalue.Protobuf && format != storedvalue.JSON ||
			r.Identity == verify.Differs && len(parts) == 5 && format == storedvalue.KMSv2 && r.Holds != (verify.Object{Kind: "Secret", Namespace: parts[3], Name: parts[4]}) {
			t.Errorf("%s under %s: %+v", kv.Key, at.Key, r)
		}
	}
	if seen[storedvalue.KMSv2] < 5 || seen[storedvalue.AESGCM] < 5 || seen[storedvalue.AESCBC] < 5 {
		t.Errorf("%v: the test proves little", seen)
	}
}

// shown fails if the log shows the token or what was opened, or nothing at all.
func shown(t *testing.T, logFile, tokenFile string) {
	t.Helper()
	text := string(testkit.Must(os.ReadFile(filepath.Clean(logFile)))(t))
	token := testkit.Must(os.ReadFile(filepath.Clean(tokenFile)))(t)
	if !strings.Contains(text, "DEK source unwrapped") || strings.Contains(text, string(bytes.TrimSpace(token))) || strings.Contains(text, "horse") {
		t.Errorf("the log: %.2000s", text)
	}
}
