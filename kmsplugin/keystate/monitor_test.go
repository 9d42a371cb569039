package keystate

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// Whole plugins in hours of faked time are tested in package kmsplugin.

// nothing is Unwrapped with nothing in it.
type nothing struct{}

func (nothing) Since() map[string]time.Duration       { return nil }
func (nothing) Drop(func(string, time.Duration) bool) {}

// restored returns a Monitor that has taken over one version with its local KEK, which
// was confirmed when the machine had been up for an hour. The clock shows *now.
func restored(t *testing.T, now *time.Duration, change func(*Settings)) (m *Monitor, keyID string) {
	t.Helper()
	*now = time.Hour
	settings := Settings{
		Cluster: "prod", LocalKEKs: true, Retain: true, Lease: 24 * time.Hour, PromotionDelay: 3 * time.Minute,
		ProbeInterval: 30 * time.Second, ProbeIntervalFailing: 5 * time.Second, OnRefusal: Withhold,
	}
	if change != nil {
		change(&settings)
	}
	m = New(settings, Parts{
		Boot: func() time.Duration { return *now }, Log: slog.New(slog.DiscardHandler), Unwrapped: nothing{},
		Changed: func() {}, PropertyChanged: func(string) {},
	})
	key := backend.Key{Mount: "transit", Name: "k8s", Latest: 1, MinDecryption: 1, Created: map[int]time.Time{1: time.Unix(1, 0)}}
	keyID = versionID(key, 1)
	secret := bytes.Repeat([]byte{7}, envelope.KEKSize)
	err := m.Restore(checkpoint.Source{Key: key, Version: 1, LastGood: *now, Versions: []checkpoint.Version{
		{Number: 1, KeyID: keyID, KEK: secret, Wrapped: []byte("vault:v1:x"), Plain: secret, Sealed: []byte("vault:v1:y"), Confirmed: *now},
	}}, true)
	if err != nil {
		t.Fatal(err)
	}
	m.Resume()
	return m, keyID
}

func TestTheBytesOfALocalKEKAreOverwrittenWithIt(t *testing.T) {
	refused := outcome{err: refusalError("permission denied")}
	drops := func(s *Settings) { s.OnRefusal = Drop }
	for name, tc := range map[string]struct {
		settings func(*Settings)
		happens  func(m *Monitor, now *time.Duration)
		held     bool
	}{
		"nothing happens":  {happens: func(*Monitor, *time.Duration) {}, held: true},
		"the plugin stops": {happens: func(m *Monitor, _ *time.Duration) { m.forget() }},
		"the lease ends": {happens: func(m *Monitor, now *time.Duration) {
			*now += 24 * time.Hour
			m.dropExpired()
			m.publish()
		}},
		"one refusal": {settings: drops, happens: func(m *Monitor, _ *time.Duration) { m.apply(findings{outcome: refused}) }, held: true},
		"a confirmed refusal": {settings: drops, happens: func(m *Monitor, _ *time.Duration) {
			for _, at := range []time.Duration{0, refusalGap} {
				refused.at = at
				m.apply(findings{outcome: refused})
			}
		}},
		"a confirmed refusal that withholds": {happens: func(m *Monitor, _ *time.Duration) {
			for _, at := range []time.Duration{0, refusalGap} {
				refused.at = at
				m.apply(findings{outcome: refused})
			}
		}, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			var now time.Duration
			m, keyID := restored(t, &now, tc.settings)
			key := m.versions[keyID].raw
			if len(key) != envelope.KEKSize {
				t.Fatalf("%d bytes are held", len(key))
			}
			tc.happens(m, &now)
			if _, err := m.Snapshot().Serving(now); !tc.held && err == nil {
				t.Error("it is served")
			}
			if held := !bytes.Equal(key, make([]byte, len(key))); held != tc.held || m.Snapshot().LocalKEKs() == 1 != tc.held || len(m.Checkpoint().Versions) == 1 != tc.held {
				t.Errorf("held: %v, in use: %d, saved: %d, want them held: %v", held, m.Snapshot().LocalKEKs(), len(m.Checkpoint().Versions), tc.held)
			}
		})
	}
}

func TestAKeyThatHasBecomeAPreviousOneNoLongerWrites(t *testing.T) {
	var now time.Duration
	m, _ := restored(t, &now, nil)
	if v, err := m.Snapshot().Writable(now); err != nil || v.Number != 1 {
		t.Fatalf("before: %v, %v", v, err)
	}
	m, keyID := restored(t, &now, func(s *Settings) { s.ReadOnly = true })
	for range 2 {
		if s := m.Snapshot(); s.write != nil || s.Choice != (Choice{}) {
			t.Errorf("it writes with version %d", s.Choice.Version)
		}
		if s := m.Snapshot(); s.LocalKEKs() != 1 || !s.UsableSince(keyID, now, now) {
			t.Error("its local KEK is held no longer")
		}
		m.publish() // as after each probe
	}
}
