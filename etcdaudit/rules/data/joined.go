package data

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// asked is not met where neither a plugin nor an API server was asked for its keys.
func asked(s facts.Store) (check.Result, bool) {
	return check.Inapplicable("neither --plugin-socket nor --apiserver-metrics was given"), s.KeySources != nil
}

// joined is how the key_ids of a store stand to what plugins and API servers say.
type joined struct {
	found  // the values of the wanted states
	total  int64
	rest   int64
	states map[keyjoin.State]int64 // values of each
	seen   []check.Evidence        // one for each key_id
}

// join finds the KMS v2 values of a state.
func join(s facts.Store, wanted keyjoin.State) joined {
	j := joined{states: map[keyjoin.State]int64{}}
	type id struct{ provider, keyID string }
	var order []id
	values := map[id]int64{}
	j.found = find(s, func(r *inventory.Resource, c *inventory.Count) (string, bool) {
		if r.Foreign || c.Format != storedvalue.KMSv2 || c.Problem != storedvalue.NoProblem {
			return "", false
		}
		j.total += c.Values
		if c.Rest {
			j.rest += c.Values
			return "", false
		}
		one := id{c.Name, c.KeyID}
		if _, known := values[one]; !known {
			order = append(order, one)
		}
		values[one] += c.Values
		state := s.KeySources.State(c.Name, c.KeyID)
		j.states[state] += c.Values
		return writtenWith(c), state == wanted
	})
	for _, one := range order[:min(len(order), mostKeyIDs)] {
		j.seen = append(j.seen, check.Evidence{
			Source: "provider " + term.Printable(one.provider),
			Seen:   fmt.Sprintf("key_id %s: %v, %s", term.Printable(one.keyID), s.KeySources.State(one.provider, one.keyID), number(values[one], "value")),
		})
	}
	return j
}

// mostKeyIDs bounds how many key_ids are listed as evidence.
const mostKeyIDs = 100

// unlistedVersions says why plugins did not list the versions of their keys.
func unlistedVersions(k *keyjoin.Sources) string {
	var all []string
	for _, p := range k.Plugins {
		switch {
		case p.Problem != "":
			all = append(all, "plugin "+term.Printable(p.Name)+": "+p.Problem)
		case !p.Lists:
			all = append(all, "plugin "+term.Printable(p.Name)+" does not tell the versions of its keys")
		}
	}
	return strings.Join(all, "; ")
}

// silent says why plugins and API servers did not tell their current key_id.
func silent(k *keyjoin.Sources) string {
	var all []string
	for _, p := range k.Plugins {
		if p.Current == "" {
			all = append(all, "plugin "+term.Printable(p.Name)+": "+cmp.Or(p.Problem, "it names no key_id"))
		}
	}
	for _, server := range k.Servers {
		if len(server.Current) == 0 {
			all = append(all, term.Printable(server.Name)+" names no key_id: the API server has no KMS v2 provider, or has not started with it yet")
		}
	}
	return strings.Join(all, "; ")
}
