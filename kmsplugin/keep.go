package kmsplugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/seal"
)

// Keep is where local KEKs outlive this process: without one, a plugin that is
// restarted in an outage has nothing to serve with.
type Keep interface {
	// Load returns what Save was last given, or nil. The caller clears it.
	Load() ([]byte, error)
	// Save replaces what is kept. It does not hold on to state.
	Save(state []byte) error
}

// keptFormat is raised when an older plugin could misread what is kept. A state
// of another format is not used: the next probe fetches everything anew.
const keptFormat = 1

// kept is what outlives the process. Times are on the boot clock, so it means
// nothing after the machine was started anew.
type kept struct {
	Format   int          `json:"format"`
	Boot     string       `json:"boot"`
	Cluster  string       `json:"cluster"`
	Envelope string       `json:"envelope"`
	Sources  []keptSource `json:"sources"`
	KEKs     []keptOpened `json:"keks"`
	Seeds    []keptOpened `json:"seeds"`
}

type keptSource struct {
	ID       string        `json:"id"`
	Key      backend.Key   `json:"key"`
	Version  int           `json:"version"`
	Next     int           `json:"next"`
	At       time.Time     `json:"at"`
	LastGood time.Duration `json:"last_good"`
	Low      time.Duration `json:"low"`
	High     time.Duration `json:"high"`
	ClockAt  time.Duration `json:"clock_at"`
	Versions []keptVersion `json:"versions"`
}

type keptVersion struct {
	Number    int           `json:"number"`
	KeyID     string        `json:"key_id"`
	KEK       []byte        `json:"kek"`
	Wrapped   []byte        `json:"wrapped"`
	Plain     []byte        `json:"canary_plain"`
	Sealed    []byte        `json:"canary_sealed"`
	Confirmed time.Duration `json:"confirmed"`
}

// keptOpened is a local KEK or a seed that the key store opened on request.
type keptOpened struct {
	Name   []byte        `json:"name"`
	Source string        `json:"source"`
	KeyID  string        `json:"key_id"`
	At     time.Duration `json:"at"`
	Secret []byte        `json:"secret"`
}

func (k *kept) clear() {
	for _, s := range k.Sources {
		for _, v := range s.Versions {
			clear(v.KEK)
			clear(v.Plain)
		}
	}
	for _, o := range append(k.KEKs, k.Seeds...) {
		clear(o.Secret)
	}
}

// preserver hands what a Service holds to its Keep whenever that has changed. A
// nil preserver keeps nothing.
type preserver struct {
	keep    Keep
	machine string // identifies this boot
	log     *slog.Logger
	dirty   chan struct{}

	mu  sync.Mutex
	raw map[string][]byte // local KEKs by key_id

	// Owned by run.
	shape string
	saved time.Duration
	fault string
}

func newPreserver(keep Keep, machine string, log *slog.Logger) *preserver {
	return &preserver{keep: keep, machine: machine, log: log, dirty: make(chan struct{}, 1), raw: map[string][]byte{}}
}

// add takes local KEKs over, by key_id.
func (p *preserver) add(raw map[string][]byte) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.raw, raw)
}

// drop overwrites local KEKs, by key_id.
func (p *preserver) drop(keyIDs []string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range keyIDs {
		clear(p.raw[id])
		delete(p.raw, id)
	}
}

// changed says that there may be something new to keep.
func (p *preserver) changed() {
	if p == nil {
		return
	}
	select {
	case p.dirty <- struct{}{}:
	default:
	}
}

// run saves until the context ends. It must end before the keepers forget, or
// their having forgotten would be what is kept.
func (p *preserver) run(ctx context.Context, s *Service) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.dirty:
		}
		if ctx.Err() == nil {
			p.save(s)
		}
	}
}

// save keeps the present state, if it differs from what is kept: a later lease
// alone is worth it only now and then.
func (p *preserver) save(s *Service) {
	shape := s.shape()
	if shape == p.shape && s.boot()-p.saved < s.config.LocalKEK.Lease/48 {
		return
	}
	state := s.compose(p)
	defer state.clear()
	text, err := json.Marshal(state)
	if err == nil {
		err = p.keep.Save(text)
	}
	clear(text)
	if err != nil {
		if p.fault != err.Error() {
			p.fault = err.Error()
			p.log.Error("local keys would not survive a restart", "cause", err.Error())
		}
		return
	}
	p.shape, p.saved, p.fault = shape, s.boot(), ""
}

// shape changes whenever what is held does.
func (s *Service) shape() string {
	var b strings.Builder
	for _, src := range s.sources {
		snap := src.keeper.snapshot()
		fmt.Fprintln(&b, src.id, snap.choice.version, snap.choice.next, snap.key.Latest, snap.key.MinDecryption, snap.key.MinEncryption,
			slices.Sorted(maps.Keys(snap.versions)))
	}
	fmt.Fprintln(&b, s.opened.generation())
	return b.String()
}

// compose returns everything to keep; its secrets are copies.
func (s *Service) compose(p *preserver) *kept {
	k := &kept{Format: keptFormat, Boot: p.machine, Cluster: s.config.Cluster, Envelope: s.config.Envelope}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, src := range s.sources {
		snap := src.keeper.snapshot()
		ks := keptSource{
			ID: src.id, Key: snap.key, Version: snap.choice.version, Next: snap.choice.next, At: snap.choice.at,
			LastGood: snap.standing.lastGood, Low: snap.clock.low, High: snap.clock.high, ClockAt: snap.clock.at,
		}
		for id, v := range snap.versions {
			raw := p.raw[id]
			if v.kek != nil && raw == nil {
				continue // dropped between our two looks
			}
			ks.Versions = append(ks.Versions, keptVersion{
				Number: v.number, KeyID: id, KEK: slices.Clone(raw), Wrapped: v.wrapped,
				Plain: slices.Clone(v.canary.plain), Sealed: v.canary.sealed,
				Confirmed: snap.leaseEnds[id] - s.config.LocalKEK.Lease,
			})
		}
		k.Sources = append(k.Sources, ks)
	}
	k.KEKs, k.Seeds = s.opened.kept()
	return k
}

// errNotKept is returned for a state that is of no use here, and why.
var errNotKept = errors.New("what was kept is not used")

// restore takes over what was kept. It is called before anything runs.
func (s *Service) restore(p *preserver) error {
	text, err := p.keep.Load()
	if err != nil || text == nil {
		return err
	}
	defer clear(text)
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("%w: it is damaged", errNotKept) // the cause could quote it
	}
	defer k.clear()
	switch {
	case k.Format != keptFormat:
		return fmt.Errorf("%w: its format is %d, this plugin's %d", errNotKept, k.Format, keptFormat)
	case k.Boot != p.machine:
		return fmt.Errorf("%w: it is from before the machine was started", errNotKept)
	case k.Cluster != s.config.Cluster:
		return fmt.Errorf("%w: it is of cluster %q", errNotKept, k.Cluster)
	}
	for _, src := range s.sources {
		for _, ks := range k.Sources {
			if ks.ID == src.id {
				if err := src.keeper.restore(ks, k.Envelope, p); err != nil {
					return err
				}
			}
		}
	}
	return s.opened.restore(k.KEKs, k.Seeds)
}

// restore takes over what was kept of this key. A probe follows at once; until
// it has an answer, this is as good as what a process that went on would hold.
func (k *keeper) restore(ks keptSource, envelope string, p *preserver) error {
	raw := map[string][]byte{}
	for _, kv := range ks.Versions {
		v := &version{
			number:  kv.Number,
			binding: seal.Binding{Cluster: k.config.Cluster, KeyID: kv.KeyID},
			wrapped: kv.Wrapped,
			canary:  canary{plain: slices.Clone(kv.Plain), sealed: kv.Sealed},
		}
		if len(kv.KEK) > 0 {
			kek, err := seal.NewLocalKEK(kv.KEK)
			if err != nil {
				return fmt.Errorf("restore %s: %w", kv.KeyID, err)
			}
			v.kek = kek
			raw[kv.KeyID] = slices.Clone(kv.KEK)
		} else if envelope != k.config.Envelope && !v.canary.blank() {
			continue // kept without a local KEK, which is now wanted
		}
		k.versions[kv.KeyID] = v
		k.confirmed[kv.KeyID] = kv.Confirmed
	}
	if len(k.versions) == 0 {
		return nil
	}
	p.add(raw)
	k.key = ks.Key
	k.lineage, k.oldest = maps.Clone(ks.Key.Created), ks.Key.MinDecryption
	k.clock = serverTime{known: ks.High != 0, low: ks.Low, high: ks.High, at: ks.ClockAt}
	k.standing.everGood, k.standing.lastGood = true, ks.LastGood
	k.choice = choice{version: ks.Version, next: ks.Next, at: ks.At}
	k.choice.keyID = seal.KeyID(ks.Key.Mount, ks.Key.Name, ks.Version, ks.Key.Created[ks.Version])
	if k.versions[k.choice.keyID] == nil {
		k.choice = choice{}
	}
	k.warm = true
	k.current.Store(k.compose())
	k.log.Info("local keys taken over from before the restart", "versions", len(k.versions), "write_version", k.choice.version,
		"last_good_probe", (k.boot() - ks.LastGood).Round(time.Second), "lease_left", k.leaseLeft().Round(time.Second))
	return nil
}
