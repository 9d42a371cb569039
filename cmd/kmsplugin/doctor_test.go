package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/kmsplugin/doctor"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

// ask runs doctor against the plugin's own configuration.
func (l *lab) ask(p *cluster.Plugin, args ...string) (status int, results []doctor.Result) {
	l.Helper()
	status, out, errs := run(l.T, append([]string{"doctor", "--config", p.ConfigFile(), "-o", "json"}, args...)...)
	var report struct{ Results []doctor.Result }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		l.Fatalf("status %d: %v: %s%s", status, err, out, errs)
	}
	return status, report.Results
}

// outcome is the first outcome of a check about what subject names.
func outcome(t *testing.T, results []doctor.Result, id, subject string) (check.Status, string) {
	t.Helper()
	for _, r := range results {
		if r.ID == id && strings.Contains(r.Subject, subject) {
			return r.Outcome, r.Found
		}
	}
	t.Errorf("%s says nothing about %q", id, subject)
	return 0, ""
}

func TestDoctorOnANodeWithARealPlugin(t *testing.T) {
	l := newLab(t)
	role := l.role(l.printed())
	p := l.start(role, nil)
	l.check(p.WaitServing(l.ctx))
	encryption := filepath.Join(t.TempDir(), "encryption.yaml")
	l.check(os.WriteFile(encryption, []byte(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - kms: {apiVersion: v2, name: sealproof, endpoint: "unix://`+p.Socket()+`"}
`), 0o600))

	status, results := l.ask(p, "--encryption-provider-config", encryption)
	if status != 0 {
		t.Errorf("a sound node: exit status %d", status)
	}
	for _, r := range results {
		if r.Outcome == check.Fail || r.Outcome == check.NotEvaluated && !r.Beyond {
			t.Errorf("a sound node: %+v", r)
		}
	}
	// What the plugin does about core files is seen in its process, not assumed.
	if o, found := outcome(t, results, "KD-111", "process"); o != check.Pass {
		t.Errorf("core dumps: %s, %s", o, found)
	}

	for _, row := range []struct {
		name       string
		breaks     func() (repair func())
		args       []string
		id         string
		subject    string
		outcome    check.Status
		found      string
		exitStatus int
	}{
		{"the secret-id may be read by others", func() func() {
			l.check(os.Chmod(role.SecretIDFile, 0o644))
			return func() { l.check(os.Chmod(role.SecretIDFile, 0o600)) }
		}, nil, "KD-301", "vault.auth.secret-id-file", check.Fail, "mode 0644", 1},
		{"every user may connect", func() func() {
			l.check(os.Chmod(p.Socket(), 0o666))
			return func() { l.check(os.Chmod(p.Socket(), 0o660)) }
		}, nil, "KD-203", "", check.Fail, "every user", 1},
		{"every user may write to the socket's directory", func() func() {
			l.check(os.Chmod(filepath.Dir(p.Socket()), 0o777))
			return func() { l.check(os.Chmod(filepath.Dir(p.Socket()), 0o700)) }
		}, nil, "KD-201", "", check.Fail, "every user may write", 1},
		{"the EncryptionConfiguration means another socket", func() func() { return func() {} },
			[]string{"--encryption-provider-config", "../../deploy/encryption-configuration.yaml"}, "KD-701", "", check.Fail, "no provider of Secrets", 1},
		{"the EncryptionConfiguration is something else", func() func() { return func() {} },
			[]string{"--encryption-provider-config", "../../deploy/kmsplugin.yaml"}, "KD-701", "", check.Fail, "EncryptionConfiguration", 1},
		{"the plugin was killed", func() func() {
			l.check(p.Kill())
			return func() { l.check(p.Restart(l.ctx)) }
		}, nil, "KD-202", "", check.Fail, "no process listens", 1},
		{"the plugin is dead, and systemd holds its socket", func() func() {
			l.check(p.Stop(l.ctx))
			held, err := net.Listen("unix", p.Socket())
			l.check(err)
			return func() { l.check(held.Close()); l.check(p.Restart(l.ctx)) }
		}, nil, "KD-202", "", check.Fail, "no plugin answers", 1},
		{"a file lies in the socket's place", func() func() {
			l.check(p.Stop(l.ctx))
			l.check(os.WriteFile(p.Socket(), nil, 0o600))
			return func() { l.check(os.Remove(p.Socket())) }
		}, nil, "KD-202", "", check.Fail, "regular file", 1},
	} {
		repair := row.breaks()
		status, results := l.ask(p, row.args...)
		repair()
		if o, found := outcome(t, results, row.id, row.subject); o != row.outcome || !strings.Contains(found, row.found) || status != row.exitStatus {
			t.Errorf("%s: status %d, %s, %s", row.name, status, o, found)
		}
	}
}

// told is a plugin that says one thing.
type told struct {
	pluginv1.UnimplementedPluginServiceServer
	info *pluginv1.GetInfoResponse
}

func (p told) GetInfo(context.Context, *pluginv1.GetInfoRequest) (*pluginv1.GetInfoResponse, error) {
	return p.info, nil
}

func TestTheDoctorTakesThePluginAtItsWord(t *testing.T) {
	for name, tc := range map[string]struct {
		info   *pluginv1.GetInfoResponse
		answer doctor.Answer
		rights *hostfacts.Rights
	}{
		"it serves": {
			&pluginv1.GetInfoResponse{Serving: &pluginv1.Serving{Ok: true}, Process: &pluginv1.Process{Uid: 990, Gids: []uint32{990, 100}}},
			doctor.Answer{Serving: true}, &hostfacts.Rights{UID: 990, GIDs: []int{990, 100}}},
		"it does not": {
			&pluginv1.GetInfoResponse{Serving: &pluginv1.Serving{Reason: "no key"}, Process: &pluginv1.Process{Unbound: true}},
			doctor.Answer{Reason: "no key"}, &hostfacts.Rights{Unbound: true}},
		"it does not say whose rights it has": {
			&pluginv1.GetInfoResponse{Serving: &pluginv1.Serving{Ok: true}},
			doctor.Answer{Serving: true}, nil},
		"one that serves what Vault refuses": {
			&pluginv1.GetInfoResponse{Serving: &pluginv1.Serving{Ok: true}, OnRefusal: "lease", Keys: []*pluginv1.Key{{Versions: []*pluginv1.Version{{Writes: true, Refused: true}}}}},
			doctor.Answer{Serving: true, OnRefusal: "lease", ServesRefused: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := testkit.Must(os.MkdirTemp("", "told"))(t) // a short path, as sockets need
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			path := filepath.Join(dir, "s")
			l := testkit.Must(net.Listen("unix", path))(t)
			server := grpc.NewServer()
			pluginv1.RegisterPluginServiceServer(server, told{info: tc.info})
			go func() { _ = server.Serve(l) }()
			t.Cleanup(server.Stop)
			answer, rights := gatherAnswer(t.Context(), path)
			if answer != tc.answer || !reflect.DeepEqual(rights, tc.rights) {
				t.Errorf("%+v, %+v", answer, rights)
			}
		})
	}
}

func TestDoctorNeedsAConfiguration(t *testing.T) {
	for _, args := range [][]string{{"doctor"}, {"doctor", "--config", "/nonexistent"}, {"doctor", "-o", "xml"}} {
		if status, _, errs := run(t, args...); status != 3 || errs == "" {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
	}
}

func TestGatheredFactsAreThoseOfTheFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		testkit.Check(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	authority := testkit.Must(cluster.NewAuthority(filepath.Join(dir, "pki"), "some-ca"))(t)

	files := gatherFiles([]doctor.File{
		{Key: "ca", Name: authority.CAFile()},
		{Key: "again", Name: authority.CAFile()},
		{Key: "unset"},
		{Key: "secret", Name: file("secret", "s", 0o600), Secret: true},
		{Key: "empty", Name: file("empty", "", 0o600), Secret: true},
		{Key: "absent", Name: filepath.Join(dir, "absent")},
	})
	if len(files) != 4 {
		t.Fatalf("%d files: %+v", len(files), files)
	}
	ca, secret, empty, absent := files[0], files[1], files[2], files[3]
	if len(ca.Certificates) != 1 || !strings.Contains(ca.Certificates[0].Subject, "some-ca") || !ca.Certificates[0].NotAfter.After(time.Now()) {
		t.Errorf("certificates: %+v", ca.Certificates)
	}
	if !secret.Path.Exists || secret.Path.Mode.Perm() != 0o600 || secret.Empty || !empty.Empty || absent.Path.Exists {
		t.Errorf("%+v\n%+v\n%+v", secret, empty, absent)
	}

	key := "c2VjcmV0IGlzIHNlY3VyZSwgb3IgaXMgaXQ/Pz8/Pz8=" // 32 bytes
	e := gatherEncryption(file("encryption", `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - kms: {apiVersion: v2, name: a, endpoint: "unix:///run/a.sock"}
      - kms: {apiVersion: v2, name: b, endpoint: "unix:///run/b.sock", timeout: 7s}
      - secretbox: {keys: [{name: old, secret: `+key+`}]}
      - identity: {}
`, 0o600))
	want := []doctor.Provider{
		{Kind: "kms v2", Name: "a", Endpoint: "unix:///run/a.sock", Timeout: 3 * time.Second},
		{Kind: "kms v2", Name: "b", Endpoint: "unix:///run/b.sock", Timeout: 7 * time.Second},
		{Kind: "secretbox", Name: "old"},
		{Kind: "identity"},
	}
	if e.Err != "" || !slices.Equal(e.Secrets, want) || !e.HoldsKeys() {
		t.Errorf("%+v", e)
	}
}
