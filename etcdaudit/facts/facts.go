// Package facts holds everything that a rule may look at, as plain values. It does no
// I/O, and knows no rule.
package facts

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
)

// Facts is all that one run of the auditor has learned.
type Facts struct {
	// Stores are what was read and counted, one for each scope. Unscanned is why there is
	// none.
	Stores    []Store
	Unscanned string
	// Unfound is what was looked for beside them and could not be read.
	Unfound []Missing
	// Encryption is the EncryptionConfiguration that the stores were compared with,
	// and EncryptionFile its file; nil and empty if none was given.
	Encryption     *encryptionconfig.Config
	EncryptionFile string
	// KeySources are what plugins and API servers say of the current keys; nil if none was asked.
	KeySources *keyjoin.Sources
	// Wire is what connections have shown, nil if none were asked for. Host is what the
	// control-plane node has shown, nil if it was not read.
	Wire *Wire
	Host *Host
	// Access is what RBAC gives, one for each cluster whose objects were looked at.
	Access []Access
	// Unwrapping is who was asked for the DEK sources of the stores; nil if nothing was to be opened.
	Unwrapping *Unwrapping
}

// Unread lists what was looked for and could not be read or found.
func (f Facts) Unread() (all []Missing) {
	all = append(all, f.Unfound...)
	if f.Wire != nil {
		all = append(all, f.Wire.Missing...)
	}
	if f.Host != nil {
		all = append(all, f.Host.Unread...)
	}
	return all
}

// Store is what was counted in one scope.
type Store struct {
	Scope     record.Scope
	Inventory *inventory.Inventory
	// Clock bounds when its revisions were written; nil where that is not worked out.
	Clock *timeline.Clock
	// CurrentKeyID is the key_id that KMS v2 values should have; empty for the newest
	// in the store.
	CurrentKeyID string
	// KeySources are those of all facts.
	KeySources *keyjoin.Sources
	// Remains are what was met beside records, in this layer, and Damaged how many places
	// could not be read in all layers of the same files.
	Remains record.Remains
	Damaged int64
	// Verified is what became of the values where they were to be opened; nil where they were not.
	Verified *verify.Tally
	// Members is what comparing the members of a running etcd has shown; nil if they were not
	// compared.
	Members *record.Comparison
}

// Unread is why something of the store may be missing: files that could not be read as a whole,
// or live values that were not read at one revision. It is empty where nothing is.
func (s Store) Unread() string {
	switch {
	case s.Damaged == 1:
		return "1 place could not be read: see EA-124"
	case s.Damaged > 0:
		return fmt.Sprintf("%d places could not be read: see EA-124", s.Damaged)
	case s.Scope.Inexact != "":
		return "what was read is of several revisions, and not exact: " + term.Printable(s.Scope.Inexact)
	}
	return ""
}

// Live returns each store of live values as the subject of a rule, with its scope as evidence.
func (f Facts) Live() []check.Subject[Store] {
	return f.subjects("keys", func(s Store) bool { return s.Scope.Layer == record.Live })
}

// Running returns each store of an etcd that was read while it ran.
func (f Facts) Running() []check.Subject[Store] {
	return f.subjects("keys", func(s Store) bool { return s.Scope.Layer == record.Live && !s.Scope.OfFiles() })
}

// Older returns each store of what outlives live values.
func (f Facts) Older() []check.Subject[Store] {
	return f.subjects("copies of values", func(s Store) bool { return s.Scope.Layer != record.Live })
}

// Files returns, of each file or log, the store of its first layer.
func (f Facts) Files() []check.Subject[Store] {
	return f.subjects("values", func(s Store) bool {
		return s.Scope.OfFiles() && s.Scope.Layer != record.History && s.Scope.Layer != record.FreePages
	})
}

// All returns each store.
func (f Facts) All() []check.Subject[Store] {
	return f.subjects("values", func(Store) bool { return true })
}

func (f Facts) subjects(counted string, wanted func(Store) bool) (all []check.Subject[Store]) {
	for _, s := range f.Stores {
		if wanted(s) {
			seen := check.Evidence{Source: s.Scope.String(), Seen: fmt.Sprintf("%d %s", s.Inventory.Keys, counted)}
			all = append(all, check.Subject[Store]{Target: s.Scope.ID(), Identity: s.Scope.Identity(), Facts: s, Evidence: []check.Evidence{seen}})
		}
	}
	return all
}

// References returns the key that the values of each KMS v2 provider are compared
// with: the one that was given, or the newest in the store.
func (s Store) References() map[string]inventory.Reference {
	refs := s.Inventory.Newest()
	if s.CurrentKeyID != "" {
		for name := range refs {
			refs[name] = inventory.Reference{KeyID: s.CurrentKeyID}
		}
	}
	return refs
}

// NotRead is a place where the same data may be, and which was not read.
type NotRead struct {
	// ID is a record.Layer, or one of the constants below.
	ID, Name, Reason string
	// ClearedBy is what removes values from a layer; empty for other places.
	ClearedBy string
	// Store is what it is a place of, and Scope the id of the scope for what is no layer.
	Store, Scope string
}

// The places that are no layer.
const (
	OutsidePrefix  = "outside-prefix"
	OtherAPIServer = "other-api-server"
	OfCluster      = "cluster"
	NotFound       = "not-found"
)

// NotRead lists, of each store, the layers that were not read as a whole, and then what
// else the stores' etcd holds.
func (f Facts) NotRead() (all []NotRead) {
	type read struct {
		store string
		layer record.Layer
	}
	done, partly := map[read]bool{}, map[read]bool{}
	for _, s := range f.Stores {
		layer := read{s.Scope.Store(), s.Scope.Layer}
		done[layer], partly[layer] = s.Scope.Layer.Shared(), !s.Scope.Layer.Shared()
	}
	for _, s := range f.Stores {
		if s.Scope.Copy != "" {
			if layer := (read{s.Scope.Store(), ""}); !done[layer] {
				done[layer] = true
				all = append(all, NotRead{ID: OfCluster, Name: "the cluster itself", Reason: "a " + s.Scope.Copy + " shows what was stored when it was taken: scan the cluster and the data directory of every member as well", Store: layer.store})
			}
			continue
		}
		for _, about := range record.Layers() {
			fate, layer := about.Etcd, read{s.Scope.Store(), about.Layer}
			if s.Scope.StandIn != "" {
				fate = about.StandIn
			}
			if !done[layer] {
				done[layer] = true
				n := NotRead{ID: string(about.Layer), Name: fate.Name, Reason: fate.Survives, ClearedBy: fate.ClearedBy, Store: layer.store}
				if partly[layer] {
					n.Name += " of other members"
				}
				all = append(all, n)
			}
		}
	}
	for _, m := range f.Unfound {
		all = append(all, NotRead{ID: NotFound, Name: m.What, Reason: term.Printable(m.Why)})
	}
	for _, s := range f.Stores {
		for _, n := range s.notRead() {
			n.Store, n.Scope = s.Scope.Store(), s.Scope.ID()
			all = append(all, n)
		}
	}
	return all
}

func (s Store) notRead() (all []NotRead) {
	elsewhere := func(reason string) {
		all = append(all, NotRead{ID: OutsidePrefix, Name: "keys outside " + term.Printable(s.Scope.Prefix), Reason: reason})
	}
	switch layer := s.Scope.Layer; {
	case layer == record.History || layer == record.FreePages: // the live values beside them say it
	case layer == record.WAL && s.Scope.Outside > 0:
		elsewhere(fmt.Sprintf("%d writes in this log are of such keys: of another program or another API server, or of a runbook", s.Scope.Outside))
	case layer == record.WAL:
	case layer == record.Undetermined:
		elsewhere("whether there are any is not known")
	case s.Scope.Outside > 0:
		elsewhere(fmt.Sprintf("%d in this etcd, of another program or another API server: scan their prefix as well (--prefix)", s.Scope.Outside))
	case s.Scope.Outside < 0 && s.Scope.StandIn != "":
		elsewhere(s.Scope.StandIn + " of this version cannot count them: whether there are any is not known")
	case s.Scope.Outside < 0:
		elsewhere("this user may not count them: whether there are any is not known")
	}
	var foreign []string
	for _, r := range s.Inventory.Foreign() {
		foreign = append(foreign, fmt.Sprintf("%s (%s)", r, r.Server))
	}
	if len(foreign) > 0 {
		all = append(all, NotRead{
			ID: OtherAPIServer, Name: "resources of another API server",
			Reason: strings.Join(foreign, ", ") + ": scan again with the EncryptionConfiguration of that server",
		})
	}
	return all
}
