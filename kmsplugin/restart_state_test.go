package kmsplugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/test/testkit"
)

// Saved states that are damaged, or that the plugin did not write.

// grasping is a Keep that holds on to the very bytes it was given, and to those it
// gave.
type grasping struct {
	memory
	given, saved [][]byte
}

func (g *grasping) Load() ([]byte, error) {
	state, err := g.memory.Load()
	g.given = append(g.given, state)
	return state, err
}

func (g *grasping) Save(state []byte) error {
	g.saved = append(g.saved, state)
	return g.memory.Save(state)
}

func TestTheStateIsOverwrittenOnceItIsSavedOrTakenOver(t *testing.T) {
	type row struct {
		fail    error // of a save
		machine string
		damage  func([]byte) []byte
	}
	inWorlds(t, map[string]row{
		"it is taken over":         {machine: "boot"},
		"it cannot be saved":       {machine: "boot", fail: errors.New("the manager is silent")},
		"it belongs elsewhere":     {machine: "another boot"},
		"it is damaged at the end": {machine: "boot", damage: func(state []byte) []byte { return append(state, '!') }},
		"it cannot be taken over":  {machine: "boot", damage: func(state []byte) []byte { return bytes.Replace(state, []byte(`"keks":[]`), []byte(`"keks":[{}]`), 1) }},
	}, func(t *testing.T, w *world, tc row) {
		g := &grasping{}
		keep := func(p *Parts) { p.Store, p.Machine = g, tc.machine }
		r := w.replicaWith(nil, func(p *Parts) { p.Store, p.Machine = g, "boot" })
		r.mustEncrypt("x")
		time.Sleep(time.Minute)
		g.set(tc.fail)
		r.stop()
		g.set(nil)
		if tc.damage != nil {
			g.state = tc.damage(g.state)
		}
		if !bytes.Contains(g.state, []byte(`"canary_plain":"`)) {
			t.Fatal("nothing was kept")
		}
		w.replicaWith(nil, keep).stop()
		if len(g.saved) < 2 || len(g.given) != 2 || len(g.given[1]) == 0 {
			t.Fatalf("saved %d times, taken over %d times", len(g.saved), len(g.given))
		}
		for _, state := range append(g.saved, g.given...) {
			if !bytes.Equal(state, make([]byte, len(state))) {
				t.Errorf("%d bytes of it are still there", len(state))
			}
		}
	})
}

func TestEverySecretOfAStateIsCleared(t *testing.T) {
	secret := func() []byte { return bytes.Repeat([]byte{7}, envelope.KEKSize) }
	k := &checkpoint.State{
		Sources: []checkpoint.Source{
			{Versions: []checkpoint.Version{{KEK: secret(), Plain: secret()}, {KEK: secret(), Plain: secret()}}},
			{Versions: []checkpoint.Version{{KEK: secret(), Plain: secret()}}},
		},
		KEKs:  []checkpoint.Unwrapped{{Secret: secret()}, {Secret: secret()}},
		Seeds: []checkpoint.Unwrapped{{Secret: secret()}, {Secret: secret()}},
	}
	k.Clear()
	text := testkit.Must(json.Marshal(k))(t)
	if base64 := []byte("BwcHBwcH"); bytes.Contains(text, base64) {
		t.Errorf("a secret is left: %s", text)
	}
}

// A state is read before anything runs: a damaged one must not keep the
// plugin from starting.
func TestADamagedStateNeverKeepsAPluginFromStarting(t *testing.T) {
	name, secret := bytes.Repeat([]byte{1}, len(cacheKey{})), bytes.Repeat([]byte{2}, envelope.KEKSize)
	type change struct {
		kek, seed *checkpoint.Unwrapped
		edit      func(*checkpoint.State)
	}
	inWorlds(t, map[string]change{
		"a seed of a key one past the last":      {seed: &checkpoint.Unwrapped{Name: name, Source: 1, Secret: secret}},
		"a local KEK of a key one past the last": {kek: &checkpoint.Unwrapped{Name: name, Source: 1, Secret: secret}},
		"a seed of no key":                       {seed: &checkpoint.Unwrapped{Name: name, Source: -1, Secret: secret}},
		"a local KEK of no key":                  {kek: &checkpoint.Unwrapped{Name: name, Source: -1, Secret: secret}},
		"a seed with a short name":               {seed: &checkpoint.Unwrapped{Name: name[1:], Secret: secret}},
		"a local KEK with a short name":          {kek: &checkpoint.Unwrapped{Name: name[1:], Secret: secret}},
		"a seed with a long name":                {seed: &checkpoint.Unwrapped{Name: append(bytes.Clone(name), 1), Secret: secret}},
		"an opened local KEK that is too short":  {kek: &checkpoint.Unwrapped{Name: name, Secret: secret[1:]}},
		"a derived local KEK that is too short":  {edit: func(k *checkpoint.State) { k.Sources[0].Versions[0].KEK = secret[1:] }},
		"no keys, and a seed":                    {seed: &checkpoint.Unwrapped{Name: name, Secret: secret}, edit: func(k *checkpoint.State) { k.Sources = nil }},
	}, func(t *testing.T, w *world, c change) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		e := r.mustEncrypt("x")
		r.stop()
		k := savedState(t, m)
		if c.kek != nil {
			k.KEKs = append(k.KEKs, *c.kek)
		}
		if c.seed != nil {
			k.Seeds = append(k.Seeds, *c.seed)
		}
		if c.edit != nil {
			c.edit(k)
		}
		text := testkit.Must(json.Marshal(k))(t)
		m.state = text
		r = w.replicaWith(nil, m.on("boot"))
		r.mustDecrypt(e, "x")
		r.mustLog("local keys were not taken over", 1)
		if seeds, keks := r.kms.cache.len(); seeds != 0 || keks != 0 {
			t.Errorf("%d seeds and %d local KEKs are taken from it", seeds, keks)
		}
	})
}
