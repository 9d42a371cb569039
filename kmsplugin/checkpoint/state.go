package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Formats of a saved state. There is a new one when an older plugin could misread the
// state. A plugin does not use a format that it does not know; it fetches everything
// anew.
const (
	format = 2
	// formatWithheld has something withheld in it, which a plugin that does not know
	// of that would serve. A state without it is still written as format 2, so that
	// the plugin before finds its state after a downgrade.
	formatWithheld = 3
)

// State is what survives the process. Times are on the boot clock, so it means nothing
// after the machine was started again.
type State struct {
	Format   int         `json:"format"` // Encode sets it
	Boot     string      `json:"boot"`   // identifies the boot of the machine
	Cluster  string      `json:"cluster"`
	Envelope string      `json:"envelope"` // Config.Envelope of the plugin
	Sources  []Source    `json:"sources"`
	KEKs     []Unwrapped `json:"keks"`
	Seeds    []Unwrapped `json:"seeds"`
}

// Source is one key.
type Source struct {
	Identity
	Key      backend.Key   `json:"key"`
	Version  int           `json:"version"`
	Next     int           `json:"next"`
	At       time.Time     `json:"at"`
	Resumed  time.Time     `json:"resumed"`
	LastGood time.Duration `json:"last_good"`
	Low      time.Duration `json:"low"`
	High     time.Duration `json:"high"`
	ClockAt  time.Duration `json:"clock_at"`
	Versions []Version     `json:"versions"`
	// Withheld is what the key store refuses for certain, of Versions and of what
	// was unwrapped with this key.
	Withheld []Refusal `json:"withheld,omitempty"`
}

// Refusal is a version that the key store refuses for certain.
type Refusal struct {
	KeyID    string        `json:"key_id"`
	Since    time.Duration `json:"since"`
	WholeKey bool          `json:"whole_key"`
	Reason   string        `json:"reason"`
}

// Version is one version of a key, with its local KEK and its canary.
type Version struct {
	Number    int           `json:"number"`
	KeyID     string        `json:"key_id"`
	KEK       []byte        `json:"kek"`
	Wrapped   []byte        `json:"wrapped"`
	Plain     []byte        `json:"canary_plain"`
	Sealed    []byte        `json:"canary_sealed"`
	Confirmed time.Duration `json:"confirmed"`
}

// Unwrapped is a local KEK or a seed that the key store unwrapped on request.
type Unwrapped struct {
	Name   []byte        `json:"name"`
	Source int           `json:"source"` // index in State.Sources
	KeyID  string        `json:"key_id"`
	At     time.Duration `json:"at"`
	Secret []byte        `json:"secret"`
}

// ErrUnusable is returned for a state that cannot be used here. The reason is in its
// chain.
var ErrUnusable = errors.New("the saved state is not used")

// Encode returns the state as it is saved. The caller clears it.
func (s *State) Encode() ([]byte, error) {
	s.Format = format
	if slices.ContainsFunc(s.Sources, func(src Source) bool { return len(src.Withheld) > 0 }) {
		s.Format = formatWithheld
	}
	return json.Marshal(s)
}

// Parse reads a state that was saved in this boot of the machine for this cluster. It
// fails with ErrUnusable.
func Parse(text []byte, boot, cluster string) (*State, error) {
	// The format is read alone: no other field of another format need be as in ours.
	var is struct {
		Format int `json:"format"`
	}
	damaged := fmt.Errorf("%w: it is damaged", ErrUnusable) // the cause could quote it
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, damaged
	}
	if is.Format != format && is.Format != formatWithheld {
		return nil, fmt.Errorf("%w: its format is %d, this plugin's %d and %d", ErrUnusable, is.Format, format, formatWithheld)
	}
	s := &State{}
	err := json.Unmarshal(text, s)
	switch {
	case err != nil:
		err = damaged
	case s.Boot != boot:
		err = fmt.Errorf("%w: it is from before the machine was started", ErrUnusable)
	case s.Cluster != cluster:
		err = fmt.Errorf("%w: it is of cluster %q", ErrUnusable, s.Cluster)
	}
	if err != nil {
		s.Clear()
		return nil, err
	}
	return s, nil
}

// Identities says which keys were saved.
func (s *State) Identities() []Identity {
	list := make([]Identity, len(s.Sources))
	for i, src := range s.Sources {
		list[i] = src.Identity
	}
	return list
}

// Clear overwrites the secrets in the state.
func (s *State) Clear() {
	for _, src := range s.Sources {
		for _, v := range src.Versions {
			clear(v.KEK)
			clear(v.Plain)
		}
	}
	for _, u := range slices.Concat(s.KEKs, s.Seeds) {
		clear(u.Secret)
	}
}
