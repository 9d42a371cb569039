package data

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// ofAPIServers is a rule about the API servers whose metrics were given.
func ofAPIServers(r check.Rule[facts.Facts], run func(facts.Facts) check.Result) check.Rule[facts.Facts] {
	r.Needs = []check.Need[facts.Facts]{func(f facts.Facts) (check.Result, bool) {
		return check.Inapplicable("no --apiserver-metrics was given"), f.KeySources != nil && len(f.KeySources.Servers) > 0
	}}
	r.Run = func(f facts.Facts) []check.Result {
		result := run(f)
		result.Target, result.Identity = "API servers", []string{"API servers"}
		if len(f.Stores) > 0 {
			result.Identity = []string{f.Stores[0].Scope.Store(), "API servers"}
		}
		return []check.Result{result}
	}
	return r
}

// named lists API servers by where their metrics were read.
func named(servers []keyjoin.Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, term.Printable(s.Name))
	}
	return strings.Join(all, ", ")
}

// keyIDOf names a key_id by its hash: as it is, where a plugin or the store has it.
func keyIDOf(f facts.Facts, hash string) string {
	for _, p := range f.KeySources.Plugins {
		for _, id := range append(slices.Clone(p.Versions), p.Current) {
			if id != "" && keyjoin.Hash(id) == hash {
				return "key_id " + term.Printable(id)
			}
		}
	}
	for _, s := range f.Stores {
		for _, r := range s.Inventory.Resources() {
			for _, c := range r.Groups() {
				if c.KeyID != "" && keyjoin.Hash(c.KeyID) == hash {
					return "key_id " + term.Printable(c.KeyID)
				}
			}
		}
	}
	return "a key_id with the hash " + term.Printable(hash)
}

// reloads says how it went on an API server.
func reloads(s keyjoin.Server) string {
	var all []string
	if s.Failures > 0 {
		all = append(all, fmt.Sprintf("%d reloads refused", s.Failures))
	}
	if !s.Reloaded.IsZero() {
		all = append(all, "last reloaded "+s.Reloaded.Format(time.DateTime)+" UTC")
	}
	if len(all) == 0 {
		return "no reload since its start"
	}
	return strings.Join(all, ", ")
}
