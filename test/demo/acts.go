package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/test/cluster"
)

const (
	count        = 200 // Secrets before encryption
	more         = 20  // and in each of the later acts
	keyName      = "kubernetes"
	providerName = "sealproof"
	namespace    = "default"
	// shown is the one Secret whose bytes are looked at.
	shown    = "database"
	password = "correct-horse-battery-staple"
)

// demo is one performance.
type demo struct {
	*stage
	c       *cluster.Cluster
	etcd    *cluster.Etcd
	vault   *cluster.Vault
	api     *cluster.APIServer
	plugin  *cluster.Plugin
	auditor string
	etcdctl string
	secrets *cluster.SecretWriter
	// plainRevision is where the shown Secret was last stored readably.
	plainRevision int64
	// halfRevision is one at which about half of the Secrets had been rewritten.
	halfRevision int64
}

func (d *demo) header() {
	var parts []string
	for _, v := range d.c.Versions() {
		parts = append(parts, fmt.Sprintf("%s %s", v.Name, v.Version))
	}
	d.say("%s", d.style("1", "Sealproof: Kubernetes Secrets sealed in etcd with a key that lives in Vault, and the proof"))
	d.say("   real components: %s", strings.Join(parts, ", "))
	d.say("   all of it on loopback, in %s", d.c.Dir())
}

// before: without encryption, Secrets lie readable in etcd.
func (d *demo) before(ctx context.Context) (err error) {
	d.act(1, "BEFORE", "a cluster as Kubernetes comes")
	if err := d.wait("etcd, Vault and a kube-apiserver without encryption start", func() error { return d.start(ctx) }); err != nil {
		return err
	}
	if err := d.secrets.PutValue(ctx, d.api, namespace, shown, []byte(password)); err != nil {
		return err
	}
	if err := d.createBefore(ctx); err != nil {
		return err
	}
	d.say("   %d Secrets were created through the API. One of them, as etcd holds it:", count)
	kv, err := d.etcd.Get(ctx, cluster.SecretKey(namespace, shown), 0)
	if err != nil {
		return err
	}
	d.plainRevision = kv.ModRevision
	d.dump(kv.Value, password)
	if !bytes.Contains(kv.Value, []byte(password)) {
		return errors.New("BEFORE: the password should be readable in etcd, and is not")
	}
	if err := d.audit(ctx, 1); err != nil {
		return err
	}
	d.verdict("BEFORE", "%d of %d Secrets are readable by every reader of etcd, and the audit fails as it must", count, count)
	return nil
}

func (d *demo) start(ctx context.Context) (err error) {
	if d.etcd, err = d.c.StartEtcd(ctx, 1); err != nil {
		return err
	}
	if d.vault, err = d.c.StartVault(ctx, 1); err != nil {
		return err
	}
	if err := d.vault.CreateKey(ctx, keyName, nil); err != nil {
		return err
	}
	// An API server compacts what is older than five minutes, which a slow machine takes for
	// all of this. The seventh act does it instead.
	d.api, err = d.c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: d.etcd, Args: []string{"--etcd-compaction-interval=0"}})
	return err
}

// createBefore creates all Secrets but the one that is shown. They have the size of a
// certificate with its key.
func (d *demo) createBefore(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(8)
	for i := range count - 1 {
		g.Go(func() error {
			value := make([]byte, 4<<10)
			_, _ = rand.Read(value) // it never fails
			return d.secrets.PutValue(ctx, d.api, namespace, fmt.Sprintf("before-%04d", i), value)
		})
	}
	return g.Wait()
}

// after: with the plugin, live values are sealed; history is not.
func (d *demo) after(ctx context.Context) (err error) {
	d.act(2, "AFTER", "the same cluster with kmsplugin")
	role, err := d.vault.AppRole(ctx, "kmsplugin", cluster.KeyPolicy(keyName), nil)
	if err != nil {
		return err
	}
	d.plugin, err = d.c.StartPlugin(ctx, cluster.PluginOptions{
		Vault: d.vault, Role: role, Key: keyName, Cluster: "demo",
		// An operator waits minutes, so that every API server has seen the new
		// key before anybody relies on it; an audience waits seconds.
		Config: map[string]any{"promotion-delay": "15s", "probe-interval": "2s", "probe-interval-failing": "1s"},
	})
	if err != nil {
		return err
	}
	d.say("   kmsplugin serves on a unix socket. The API server gets this EncryptionConfiguration:")
	encryption, err := cluster.EncryptSecrets(d.plugin.Provider(providerName))
	if err != nil {
		return err
	}
	d.quote(encryption)
	if err := d.wait("the API server, which looks at the file once a minute, loads it", func() error {
		return d.api.SetEncryptionConfig(ctx, encryption)
	}); err != nil {
		return err
	}
	n, err := d.api.RewriteAll(ctx, d.noteHalf(ctx))
	if err != nil {
		return err
	}
	d.say("   All %d Secrets were rewritten through the API. The same one, as etcd holds it now:", n)
	key := cluster.SecretKey(namespace, shown)
	kv, err := d.etcd.Get(ctx, key, 0)
	if err != nil {
		return err
	}
	d.dump(kv.Value, "")
	if bytes.Contains(kv.Value, []byte(password)) {
		return errors.New("AFTER: the password is still readable in etcd")
	}
	if err := d.audit(ctx, 0); err != nil {
		return err
	}
	old, err := d.etcd.Get(ctx, key, d.plainRevision)
	if err != nil {
		return err
	}
	d.say("   That pass is about live values. etcd keeps history: the same key at revision %d still says", d.plainRevision)
	d.dump(old.Value, password)
	if !bytes.Contains(old.Value, []byte(password)) {
		return errors.New("AFTER: the old revision should still be readable, and is not")
	}
	d.say("   until etcd compacts it, and longer in free pages, in the WAL and in backups.")
	d.verdict("AFTER", "0 of %d live Secrets are readable; copies written before are, and the audit says that it did not look at them", n)
	return nil
}

// rotate: a new key version, at an announced instant.
func (d *demo) rotate(ctx context.Context) error {
	d.act(3, "ROTATE", "the key in Vault gets a new version")
	old, err := d.plugin.KeyID(ctx)
	if err != nil {
		return err
	}
	version, err := d.vault.Rotate(ctx, keyName)
	if err != nil {
		return err
	}
	at, err := d.announcement(ctx, version)
	if err != nil {
		return err
	}
	d.say("   Vault has version %d. kmsplugin announces: it writes with it from %s on", version, at.UTC().Format("15:04:05 MST"))
	d.say("   (15 s after its creation, on Vault's clock, so that all replicas switch together; 3 minutes by default).")
	var keyID string
	if err := d.wait("the instant passes", func() (err error) {
		keyID, err = d.plugin.WaitNewKeyID(ctx, old)
		return err
	}); err != nil {
		return err
	}
	d.say("   kmsplugin writes with %s, before with %s", keyID, old)
	if err := d.wait("the API server, which asks its plugin once a minute, follows", func() error {
		return d.api.WaitKeyID(ctx, keyID)
	}); err != nil {
		return err
	}
	if err := d.secrets.Create(ctx, d.api, namespace, "rotated", more); err != nil {
		return err
	}
	d.say("   %d new Secrets were created. The audit counts what is stale:", more)
	if err := d.auditKeys(ctx); err != nil {
		return err
	}
	n, err := d.api.RewriteAll(ctx, nil)
	if err != nil {
		return err
	}
	d.say("   All %d Secrets were rewritten.", n)
	if err := d.auditKeys(ctx); err != nil {
		return err
	}
	stored, err := d.etcd.SealedSecrets(ctx)
	if err != nil {
		return err
	}
	if stored.KeyIDs[keyID] != n || stored.Other != 0 {
		return fmt.Errorf("ROTATE: %d of %d Secrets are under the new key_id", stored.KeyIDs[keyID], n)
	}
	d.verdict("ROTATE", "%d of %d Secrets are under key version %d, none is stale", stored.KeyIDs[keyID], n, version)
	return nil
}

// announcement returns when a version will be promoted, as the plugin's metrics
// say beforehand.
func (d *demo) announcement(ctx context.Context, version int) (at time.Time, err error) {
	err = cluster.Until(ctx, func(ctx context.Context) error {
		m, err := d.plugin.Metrics(ctx)
		if err != nil {
			return err
		}
		if next, _ := m.Sum("sealproof_next_write_version"); int(next) != version {
			return fmt.Errorf("version %d is not announced", version)
		}
		seconds, _ := m.Sum("sealproof_promotion_timestamp_seconds")
		at = time.UnixMilli(int64(seconds * 1000))
		return nil
	})
	return at, err
}

// outage: without Vault, a restarted API server reads and writes.
func (d *demo) outage(ctx context.Context) error {
	d.act(4, "OUTAGE", "Vault is stopped, and then the API server restarted")
	if err := d.vault.Stop(ctx); err != nil {
		return err
	}
	if err := d.wait("the kube-apiserver restarts without Vault", func() error { return d.api.Restart(ctx) }); err != nil {
		return err
	}
	n, err := d.secrets.ReadBackAll(ctx, d.api)
	if err != nil {
		return err
	}
	if err := d.secrets.Create(ctx, d.api, namespace, "outage", more); err != nil {
		return err
	}
	d.say("   It is ready, has read %d Secrets one by one, and has written %d new ones. Meanwhile kmsplugin says:", n, more)
	if err := d.waitState(ctx, "outage"); err != nil {
		return err
	}
	if err := d.showOutage(ctx); err != nil {
		return err
	}
	if err := d.wait("Vault returns", func() error {
		if err := d.vault.Restart(ctx); err != nil {
			return err
		}
		return d.waitState(ctx, "ok")
	}); err != nil {
		return err
	}
	d.verdict("OUTAGE", "the control plane restarted, read %d Secrets and wrote %d without Vault", n, more)
	return nil
}

func (d *demo) waitState(ctx context.Context, state string) error {
	return cluster.Until(ctx, func(ctx context.Context) error {
		m, err := d.plugin.Metrics(ctx)
		if err != nil {
			return err
		}
		if v, _ := m.Sum("sealproof_vault_state", "state="+state); v != 1 {
			return fmt.Errorf("kmsplugin does not report %q", state)
		}
		return nil
	})
}

// showOutage quotes the plugin's metrics and log.
func (d *demo) showOutage(ctx context.Context) error {
	_, metrics, err := d.plugin.Get(ctx, "/metrics")
	if err != nil {
		return err
	}
	m, err := d.plugin.Metrics(ctx)
	if err != nil {
		return err
	}
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, `sealproof_vault_state{source="vault",state="outage"}`) || strings.HasPrefix(line, "sealproof_serving ") {
			d.quote(line)
		}
	}
	lease, _ := m.Sum("sealproof_lease_remaining_seconds")
	until := time.Now().Add(time.Duration(lease) * time.Second)
	d.quote(fmt.Sprintf("sealproof_lease_remaining_seconds %.0f   (that is until %s)", lease, until.UTC().Format(time.DateTime+" MST")))
	log, err := d.plugin.Log()
	if err != nil {
		return err
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "Vault does not serve the key") {
			d.quote(line)
			return nil
		}
	}
	return errors.New("OUTAGE: kmsplugin's log does not say that Vault is away")
}

// spanKeys writes under one more key version, so that what is read back at the
// end spans several of them and several DEK seeds.
func (d *demo) spanKeys(ctx context.Context) error {
	old, err := d.plugin.KeyID(ctx)
	if err != nil {
		return err
	}
	if _, err := d.vault.Rotate(ctx, keyName); err != nil {
		return err
	}
	if _, err := d.plugin.WaitNewKeyID(ctx, old); err != nil {
		return err
	}
	// An API server that starts asks for the key_id at once, and makes a seed.
	if err := d.api.Restart(ctx); err != nil {
		return err
	}
	return d.secrets.Create(ctx, d.api, namespace, "proof", more)
}

// proof: everything that was ever written is read back.
func (d *demo) proof(ctx context.Context) error {
	d.act(5, "PROOF", "every Secret ever written is read back and compared")
	if err := d.wait("the key is rotated once more, and more Secrets are written", func() error { return d.spanKeys(ctx) }); err != nil {
		return err
	}
	if err := d.wait("the kube-apiserver restarts, so that nothing comes from its caches", func() error { return d.api.Restart(ctx) }); err != nil {
		return err
	}
	n, err := d.secrets.ReadBackAll(ctx, d.api)
	if err != nil {
		return err
	}
	stored, err := d.etcd.SealedSecrets(ctx)
	if err != nil {
		return err
	}
	if n != d.secrets.Len() {
		return fmt.Errorf("PROOF: %d of %d Secrets came back", n, d.secrets.Len())
	}
	if len(stored.Sources) < 3 || len(stored.KeyIDs) < 2 {
		return fmt.Errorf("PROOF: it spans %d DEK seeds and %d key versions only", len(stored.Sources), len(stored.KeyIDs))
	}
	d.say("   Each by a GET of its own, its SHA-256 compared with the writer's record,")
	d.say("   over %d DEK seeds and %d key versions.", len(stored.Sources), len(stored.KeyIDs))
	d.verdict("PROOF", "%d of %d Secrets came back unchanged: nothing was lost", n, d.secrets.Len())
	return nil
}

// audited: the whole control plane, as an auditor sees it.
func (d *demo) audited(ctx context.Context) error {
	d.act(6, "AUDIT", "what is stored, what etcd answers and to whom, and what is configured, in one report")
	out, err := d.etcdaudit(ctx, 1, "all")
	if err != nil {
		return err
	}
	d.quote(excerpt(out, "Scope:", "Verdict", "Coverage", "To do", "ADDRESS", "https:", "PASS            EA-101", "PASS            EA-302", "PASS            EA-404"))
	for _, must := range []string{"PASS            EA-101", "PASS            EA-302", "PASS            EA-404"} {
		if !strings.Contains(out, must) {
			return fmt.Errorf("AUDIT: the report does not say %q", must)
		}
	}
	d.verdict("AUDIT", "Secrets are sealed and etcd demands certificates; what this small control plane lacks is named with its remedy")
	return nil
}

// auditKeys is audit without what does not concern the keys in use.
func (d *demo) auditKeys(ctx context.Context) error {
	return d.audit(ctx, 0, "Scope:", "RESOURCE", "secrets ", "PASS            EA-104", "WARN            EA-104", "Verdict")
}

// audit shows what a scan says: all of it, or the parts that begin with one of some words.
func (d *demo) audit(ctx context.Context, want int, words ...string) error {
	out, err := d.etcdaudit(ctx, want, "scan")
	if err != nil {
		return err
	}
	d.quote(excerpt(out, words...))
	d.say("   exit status %d", want)
	return nil
}

// etcdaudit runs the auditor as an auditor would, and returns what it prints.
func (d *demo) etcdaudit(ctx context.Context, want int, command string) (string, error) {
	files := d.etcd.ClientFiles()
	// On a node it needs no flag. Here other control planes may run on the same machine.
	args := []string{command, "--endpoints", strings.Join(d.etcd.Endpoints(), ","), "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key}
	d.say("   $ etcdaudit %s --endpoints ... --cacert ... --cert ... --key ...", command)
	return d.run(ctx, want, args...)
}

// run runs the auditor, which has to end with a status.
func (d *demo) run(ctx context.Context, want int, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.auditor, args...) //nolint:gosec // the binary that was just built
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return "", fmt.Errorf("run etcdaudit: %w", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return "", fmt.Errorf("etcdaudit %s: exit status %d, want %d: %s%s", args[0], got, want, out.String(), errs.String())
	}
	return out.String(), nil
}

// excerpt returns the parts of a report that begin with one of the words, and how many
// other lines there are; without words, all of it. A part is a line with the indented ones
// below it, objects left out.
func excerpt(report string, words ...string) string {
	if len(words) == 0 {
		return report
	}
	var kept strings.Builder
	left, within := 0, false
	for line := range strings.Lines(report) {
		begins := func(word string) bool { return strings.HasPrefix(line, word) }
		object := strings.HasPrefix(strings.TrimLeft(line, " "), "secrets ") && !begins("secrets ")
		if !begins(" ") {
			within = slices.ContainsFunc(words, begins)
		}
		if within && !object {
			kept.WriteString(line)
		} else {
			left++
		}
	}
	fmt.Fprintf(&kept, "(and %d more lines)\n", left)
	return kept.String()
}

// invite says how to go on by hand.
func (d *demo) invite() {
	files := d.etcd.ClientFiles()
	d.say("\n%s", d.style("1", "Everything stays up until Ctrl-C. To try it by hand:"))
	d.say("   kubectl --kubeconfig %s get secrets", d.api.Kubeconfig())
	d.say("   %s scan --endpoints %s \\\n      --cacert %s --cert %s --key %s", d.auditor, strings.Join(d.etcd.Endpoints(), ","), files.CA, files.Cert, files.Key)
	d.say("   KMS socket  unix://%s", d.plugin.Socket())
	d.say("   Vault       %s (CA %s)", d.vault.Address(0), d.vault.CAFile())
	d.say("   logs        %s", filepath.Join(d.c.LogDir(), "*.log"))
}
