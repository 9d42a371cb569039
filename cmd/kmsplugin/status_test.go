package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/golden"
	"github.com/sealproof/sealproof/test/testkit"
)

// renderedAt is the moment at which every golden output was rendered.
func renderedAt() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func stamp(ago time.Duration) *timestamppb.Timestamp { return timestamppb.New(renderedAt().Add(-ago)) }

// healthy is a plugin with two versions and a third that waits.
func healthy() *pluginv1.GetInfoResponse {
	return &pluginv1.GetInfoResponse{
		Build:    &pluginv1.Build{Version: "v1.2.0", Commit: "0123abcd", Go: "go1.26.0"},
		Started:  stamp(50 * time.Hour),
		Cluster:  "prod-eu-1",
		Envelope: "local",
		Serving:  &pluginv1.Serving{Ok: true, Writable: true, KeyId: "v2.1a59272dddb2dcbe12d0c1da5b88c6c4"},
		Keys: []*pluginv1.Key{{
			Source: "vault", Mount: "transit", Name: "kubernetes", Type: "aes256-gcm96",
			Probe:  &pluginv1.Probe{State: "ok", LastGood: durationpb.New(12400 * time.Millisecond)},
			Latest: 3, MinDecryption: 1, WriteVersion: 2, NextVersion: 3,
			Promotes: stamp(-95 * time.Second), ClockAhead: durationpb.New(5 * time.Second),
			Versions: []*pluginv1.Version{
				{Number: 1, KeyId: "v1.00000000000000000000000000000001", Created: stamp(900 * time.Hour), OpensWithoutVault: true, LeaseLeft: durationpb.New(24*time.Hour - 12*time.Second)},
				{Number: 2, KeyId: "v2.1a59272dddb2dcbe12d0c1da5b88c6c4", Created: stamp(200 * time.Hour), Writes: true, OpensWithoutVault: true, LeaseLeft: durationpb.New(24*time.Hour - 12*time.Second)},
				{Number: 3, KeyId: "v3.00000000000000000000000000000003", Created: stamp(85 * time.Second), OpensWithoutVault: true, LeaseLeft: durationpb.New(23*time.Hour + 59*time.Minute)},
			},
		}},
		Token: &pluginv1.Token{Expires: stamp(-40 * time.Minute), Prolongable: true},
		Held:  &pluginv1.Held{LocalKeks: 3},
		Keep:  "none",
	}
}

// troubled is a plugin whose lease has ended in an outage, and whose key has a risk.
func troubled() *pluginv1.GetInfoResponse {
	info := healthy()
	info.Serving = &pluginv1.Serving{Reason: "the lease has ended: Vault cannot be reached\x1b[2J"}
	key := info.Keys[0]
	key.Probe = &pluginv1.Probe{State: "outage", Reason: "Vault cannot be reached", LastGood: durationpb.New(25 * time.Hour), Failing: durationpb.New(25 * time.Hour)}
	key.WriteVersion, key.NextVersion, key.MinDecryption = 0, 3, 2
	key.Promotes = stamp(time.Hour)
	key.Versions[0].Created = nil
	key.Versions[0].OpensWithoutVault, key.Versions[0].Refused = false, true
	key.Versions[1].OpensWithoutVault, key.Versions[1].Writes = false, false
	key.Hazards = []*pluginv1.Hazard{{Name: "deletion_allowed", Text: "one request that deletes the key destroys all Secrets; set deletion_allowed=false"}}
	info.Keys = append(info.Keys, &pluginv1.Key{
		Source: "previous[0]", Mount: "old/transit", Name: "k8s", Probe: &pluginv1.Probe{State: "not yet"},
	})
	info.Token.Expires = stamp(time.Hour)
	info.Token.Prolongable = false
	info.Held.OpenedSeeds = 7
	info.Rehearsal = &pluginv1.Rehearsal{Active: true, Left: durationpb.New(90 * time.Second)}
	info.Keep = "systemd"
	return info
}

// refused is a plugin whose key was deleted in Vault twenty minutes ago.
func refused() *pluginv1.GetInfoResponse {
	info := healthy()
	info.OnRefusal = "withhold"
	info.Serving = &pluginv1.Serving{Reason: "use the key: encryption key not found (its local keys are withheld)"}
	key := info.Keys[0]
	key.Probe = &pluginv1.Probe{State: "refusal", Reason: "read transit/keys/kubernetes: encryption key not found", LastGood: durationpb.New(20 * time.Minute), Failing: durationpb.New(20 * time.Minute)}
	key.NextVersion, key.Promotes = 0, nil
	left := durationpb.New(23*time.Hour + 40*time.Minute)
	key.Withheld = &pluginv1.Withheld{Reason: "read transit/keys/kubernetes: encryption key not found", WholeKey: true, Since: durationpb.New(19 * time.Minute), Left: left}
	for _, v := range key.Versions {
		v.Refused, v.Withheld, v.WithheldLeft = true, true, left
		v.OpensWithoutVault, v.LeaseLeft, v.Writes = false, nil, false
	}
	return info
}

// served is the same plugin with on-refusal: lease.
func served() *pluginv1.GetInfoResponse {
	info := refused()
	info.OnRefusal, info.Keep = "lease", "systemd"
	info.Serving = healthy().Serving
	key := info.Keys[0]
	key.Withheld.Served = true
	for _, v := range key.Versions {
		v.OpensWithoutVault, v.LeaseLeft, v.Withheld, v.WithheldLeft = true, key.Withheld.Left, false, nil
	}
	key.Versions[1].Writes = true
	return info
}

// minimum is one whose first version is below the minimum, and whose second Vault
// does not answer for.
func minimum() *pluginv1.GetInfoResponse {
	info := healthy()
	key := info.Keys[0]
	key.Withheld = &pluginv1.Withheld{Reason: "Vault refuses version 1 of transit/kubernetes: its minimum was raised above it", Since: durationpb.New(time.Hour), Left: durationpb.New(23 * time.Hour)}
	one := key.Versions[0]
	one.Refused, one.Withheld, one.WithheldLeft, one.OpensWithoutVault, one.LeaseLeft = true, true, key.Withheld.Left, false, nil
	key.Versions[1].Unconfirmed = "decrypt: version is too new"
	return info
}

func TestStatusReadsAsExpected(t *testing.T) {
	putOff := healthy()
	putOff.Keys[0].Announced = stamp(10 * time.Minute)
	refusedOnce := healthy()
	refusedOnce.Serving.Writable = false
	refusedOnce.Serving.Reason = "encryption key not found (not confirmed yet: nothing new is sealed until this is clear, for a minute as a rule)"
	for name, info := range map[string]*pluginv1.GetInfoResponse{
		"withheld": refused(), "refused-but-served": served(), "one-version-withheld": minimum(),
		"healthy": healthy(), "troubled": troubled(), "refused-once": refusedOnce, "put-off": putOff, "just-started": {Cluster: "prod-eu-1", Envelope: "local", Started: stamp(0), Build: healthy().Build, Keep: "none", Serving: &pluginv1.Serving{Reason: "waiting for Vault: no answer yet"}, Keys: []*pluginv1.Key{{Source: "vault", Mount: "transit", Name: "k"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			statusView{info: info, now: renderedAt()}.write(&b)
			golden.Compare(t, "status-"+name+".txt", b.String(), *update)
			if strings.Contains(b.String(), "\x1b") {
				t.Error("text from the plugin reaches the terminal unfiltered")
			}
		})
	}
}

func TestColoursMarkWhatMatters(t *testing.T) {
	var plain, painted strings.Builder
	statusView{info: troubled(), now: renderedAt()}.write(&plain)
	statusView{info: troubled(), now: renderedAt(), colours: true}.write(&painted)
	text := painted.String()
	if !strings.Contains(text, "\x1b[31;1mNO\x1b[0m") {
		t.Errorf("that it does not serve is not red:\n%s", text)
	}
	for _, code := range []string{"\x1b[31;1m", "\x1b[32m", "\x1b[33m", "\x1b[0m"} {
		text = strings.ReplaceAll(text, code, "")
	}
	if text != plain.String() {
		t.Errorf("colours move the columns:\n%s\nwithout:\n%s", text, plain.String())
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// fakePlugin answers as it is told: what a plugin says after a day of outage
// cannot be provoked in a test.
type fakePlugin struct {
	pluginv1.UnimplementedPluginServiceServer
	info     *pluginv1.GetInfoResponse
	rehearse func(*pluginv1.RehearseRequest, grpc.ServerStreamingServer[pluginv1.RehearseResponse]) error
}

func (f fakePlugin) GetInfo(context.Context, *pluginv1.GetInfoRequest) (*pluginv1.GetInfoResponse, error) {
	return f.info, nil
}

func (f fakePlugin) Rehearse(r *pluginv1.RehearseRequest, s grpc.ServerStreamingServer[pluginv1.RehearseResponse]) error {
	return f.rehearse(r, s)
}

// serveFake serves on a socket until the test ends.
func serveFake(t *testing.T, register func(*grpc.Server)) (path string) {
	t.Helper()
	path = filepath.Join(shortDir(t), "kms.sock")
	l := testkit.Must(net.Listen("unix", path))(t)
	s := grpc.NewServer()
	register(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return path
}

// shortDir is a directory whose path leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp("", "kms"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestStatusEndsAsThePluginServes(t *testing.T) {
	for name, tc := range map[string]struct {
		info *pluginv1.GetInfoResponse
		want int
		says string
	}{
		"serving":     {healthy(), 0, "yes, key_id v2.1a59272dddb2dcbe12d0c1da5b88c6c4"},
		"not serving": {troubled(), 1, "NO: the lease has ended"},
	} {
		t.Run(name, func(t *testing.T) {
			path := serveFake(t, func(s *grpc.Server) { pluginv1.RegisterPluginServiceServer(s, fakePlugin{info: tc.info}) })
			status, out, errs := run(t, "status", "--socket-path", path)
			if status != tc.want || !strings.Contains(out, tc.says) || errs != "" {
				t.Errorf("status %d, want %d: %s%s", status, tc.want, out, errs)
			}
			// The socket may as well be named by a configuration that could not serve.
			config := write(t, "socket: {path: "+path+"}\n")
			status, out, errs = run(t, "status", "--config", config, "-o", "json")
			var got pluginv1.GetInfoResponse
			if err := protojson.Unmarshal([]byte(out), &got); err != nil || status != tc.want {
				t.Errorf("status %d, %v: %s%s", status, err, out, errs)
			}
			if got.GetServing().GetReason() != tc.info.GetServing().GetReason() || len(got.GetKeys()) != len(tc.info.GetKeys()) {
				t.Errorf("the JSON lost something: %s", out)
			}
		})
	}
}

func TestStatusSaysWhyThereIsNoAnswer(t *testing.T) {
	dir := shortDir(t)
	stale := filepath.Join(dir, "stale.sock")
	l := testkit.Must(net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"}))(t)
	l.SetUnlinkOnClose(false)
	testkit.Check(t, l.Close())
	other := serveFake(t, func(*grpc.Server) {})
	for name, tc := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"there is no socket":              {[]string{"--socket-path", filepath.Join(dir, "none.sock")}, 1, "no socket at"},
		"the plugin was killed":           {[]string{"--socket-path", stale}, 1, "no process listens on"},
		"another plugin serves it":        {[]string{"--socket-path", other}, 1, "has no info API"},
		"the path is relative":            {[]string{"--socket-path", "kms.sock"}, 3, "socket.path"},
		"an unknown output":               {[]string{"-o", "xml"}, 3, "want table or json"},
		"a configuration with a mistake":  {[]string{"--config", write(t, "sockt: {path: /kms.sock}\n")}, 3, "unknown key"},
		"a configuration that is missing": {[]string{"--config", "/nonexistent"}, 3, "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, errs := run(t, append([]string{"status"}, tc.args...)...)
			if status != tc.status || !strings.Contains(errs, tc.want) {
				t.Errorf("status %d, want %d, and %q in %q", status, tc.status, tc.want, errs)
			}
		})
	}
}

func TestDurationsAreRounded(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1400 * time.Millisecond:                 "1s",
		90 * time.Second:                        "1m30s",
		10 * time.Minute:                        "10m",
		time.Hour:                               "1h0m",
		23*time.Hour + 59*time.Minute + 29*1e9:  "23h59m",
		24*time.Hour - 12*time.Second:           "24h0m",
		9*time.Minute + 59*time.Second + 6*1e08: "10m",
	} {
		if got := rounded(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	for _, cmd := range newRoot().Commands() {
		if !strings.Contains(cmd.Example, "kmsplugin "+cmd.Name()) && !strings.Contains(cmd.Example, "KMSPLUGIN_") {
			t.Errorf("%s: no example in its help", cmd.Name())
		}
	}
}
