package kmsplugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Formats of what is kept. A new one is made when an older plugin could misread it;
// a plugin does not use what it does not know, and fetches everything anew.
const (
	keptFormat = 2
	// keptWithheld is the same with something that is withheld in it: a plugin that
	// does not know of that would serve it. What holds nothing of the kind is still
	// written as format 2, so that going back to the plugin before finds its state.
	keptWithheld = 3
)

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
	Path      string        `json:"path"`
	Addresses []string      `json:"addresses"`
	Key       backend.Key   `json:"key"`
	Version   int           `json:"version"`
	Next      int           `json:"next"`
	At        time.Time     `json:"at"`
	Resumed   time.Time     `json:"resumed"`
	LastGood  time.Duration `json:"last_good"`
	Low       time.Duration `json:"low"`
	High      time.Duration `json:"high"`
	ClockAt   time.Duration `json:"clock_at"`
	Versions  []keptVersion `json:"versions"`
	// Withheld is what the key store refuses for certain, of Versions and of what
	// was opened with this key.
	Withheld []keptRefusal `json:"withheld,omitempty"`
}

type keptRefusal struct {
	KeyID    string        `json:"key_id"`
	Since    time.Duration `json:"since"`
	WholeKey bool          `json:"whole_key"`
	Reason   string        `json:"reason"`
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
	Source int           `json:"source"` // index in kept.Sources
	KeyID  string        `json:"key_id"`
	At     time.Duration `json:"at"`
	Secret []byte        `json:"secret"`
}

// errNotKept is returned for a state that is of no use here, and why.
var errNotKept = errors.New("what was kept is not used")

// parseKept reads what was kept on this machine for this cluster.
func parseKept(text []byte, machine, cluster string) (*kept, error) {
	// First alone: nothing else in another format need be what it is in ours.
	var is struct {
		Format int `json:"format"`
	}
	damaged := fmt.Errorf("%w: it is damaged", errNotKept) // the cause could quote it
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, damaged
	}
	if is.Format != keptFormat && is.Format != keptWithheld {
		return nil, fmt.Errorf("%w: its format is %d, this plugin's %d and %d", errNotKept, is.Format, keptFormat, keptWithheld)
	}
	k := &kept{}
	err := json.Unmarshal(text, k)
	switch {
	case err != nil:
		err = damaged
	case k.Boot != machine:
		err = fmt.Errorf("%w: it is from before the machine was started", errNotKept)
	case k.Cluster != cluster:
		err = fmt.Errorf("%w: it is of cluster %q", errNotKept, k.Cluster)
	}
	if err != nil {
		k.clear()
		return nil, err
	}
	return k, nil
}

// identities says which keys were kept.
func (k *kept) identities() []identity {
	list := make([]identity, len(k.Sources))
	for i, s := range k.Sources {
		list[i] = identity{s.Path, s.Addresses}
	}
	return list
}

func (k *kept) clear() {
	for _, s := range k.Sources {
		for _, v := range s.Versions {
			clear(v.KEK)
			clear(v.Plain)
		}
	}
	for _, o := range slices.Concat(k.KEKs, k.Seeds) {
		clear(o.Secret)
	}
}
