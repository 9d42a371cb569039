// Package keyjoin joins the key_ids of stored values with what the KMS plugin says of its keys and
// what the metrics of API servers say of them. It is pure. It knows key_ids and their hashes, and
// never a key.
package keyjoin

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Plugin is what a KMS v2 plugin says of its keys.
type Plugin struct {
	// Name is its socket. Problem is why it does not tell; empty if it does.
	Name, Problem string
	// Current is the key_id that it encrypts with; empty while it does not.
	Current string
	// Versions are the key_ids of all versions that its key store lists. Only a plugin that Lists
	// has them.
	Versions []string
	Lists    bool
}

// Server is what the metrics of one API server say.
type Server struct {
	// Name is where they were read.
	Name string
	// Current is, by the name of a KMS provider, the hash of the key_id that the plugin's Status
	// has returned last.
	Current map[string]string
	// Opened are the hashes of key_ids under which it has decrypted values since its start.
	Opened map[string]bool
	// Config is the hash of the EncryptionConfiguration in force; empty if it is not told, and Missing
	// is why. Failures counts refused reloads, and Reloaded is the last one that was not.
	Config, Missing string
	Failures        int64
	Reloaded        time.Time
}

// Sources are all that was asked.
type Sources struct {
	Plugins []Plugin
	Servers []Server
	// File is an EncryptionConfiguration that was given, and FileHash the hash of its bytes; empty
	// for none.
	File, FileHash string
}

// Hash is that of a key_id as the API server's metrics have it
// (pkg/storage/value/encrypt/envelope/metrics).
func Hash(keyID string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(keyID))) }

// State is what a key_id is for those that were asked.
type State uint8

const (
	// Undecided: nobody who was asked says what the current key_id is.
	Undecided State = iota
	// Current: a plugin writes with it now; or an API server does, and no plugin says that its key
	// has a newer one.
	Current
	// Stale: it is another one, which they know or of which nobody could be asked.
	Stale
	// Unknown: no plugin has it among its versions, and no API server has opened anything under it.
	Unknown
)

// String returns the name used in reports.
func (s State) String() string {
	return [...]string{"undecided", "current", "stale", "unknown"}[s]
}

// State says what the key_id of a value of a KMS provider is.
func (s *Sources) State(provider, keyID string) State {
	hash := Hash(keyID)
	told, known, lists, replaced := false, false, false, false
	for _, p := range s.Plugins {
		if p.Current == keyID && keyID != "" {
			return Current
		}
		told = told || p.Current != ""
		of := slices.Contains(p.Versions, keyID)
		known, replaced = known || of, replaced || of && p.Current != ""
		lists = lists || p.Lists
	}
	for _, server := range s.Servers {
		now := server.Current[provider]
		if now == hash && !replaced {
			return Current
		}
		told = told || now != ""
		known = known || now == hash || server.Opened[hash]
	}
	switch {
	case lists && !known:
		return Unknown
	case told:
		return Stale
	default:
		return Undecided
	}
}

// Lists reports whether a plugin lists the versions of its keys.
func (s *Sources) Lists() bool {
	return slices.ContainsFunc(s.Plugins, func(p Plugin) bool { return p.Lists })
}

// Providers are the names of the KMS providers of the API servers, in order.
func (s *Sources) Providers() []string {
	names := map[string]bool{}
	for _, server := range s.Servers {
		for name := range server.Current {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Camp is some API servers that agree.
type Camp struct {
	Hash    string
	Servers []Server
}

// Camps divides the API servers by the hash of the current key_id of a provider, in the order of
// the hashes. Those that do not have the provider are left out.
func (s *Sources) Camps(provider string) []Camp {
	return divided(s.Servers, func(server Server) string { return server.Current[provider] })
}

// Configs divides the API servers by the EncryptionConfiguration in force. Those that do not tell
// are left out.
func (s *Sources) Configs() []Camp {
	return divided(s.Servers, func(server Server) string { return server.Config })
}

func divided(servers []Server, by func(Server) string) (all []Camp) {
	camps := map[string]*Camp{}
	for _, server := range servers {
		hash := by(server)
		if hash == "" {
			continue
		}
		if camps[hash] == nil {
			camps[hash] = &Camp{Hash: hash}
		}
		camps[hash].Servers = append(camps[hash].Servers, server)
	}
	for _, hash := range slices.Sorted(maps.Keys(camps)) {
		all = append(all, *camps[hash])
	}
	return all
}

// Followed reports whether a hash is that of the key_id that a plugin writes with now. Where no
// plugin says which that is, nothing is against it.
func (s *Sources) Followed(hash string) bool {
	told := false
	for _, p := range s.Plugins {
		if p.Current != "" && Hash(p.Current) == hash {
			return true
		}
		told = told || p.Current != ""
	}
	return !told
}
