package encryptionconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Config is an EncryptionConfiguration without its keys.
type Config struct {
	rules map[groupResource]Rule
}

// Rule is what the configuration says of one resource.
type Rule struct {
	// Entry is the name that matched, as written: "secrets", "*.apps", "*.*".
	// It is empty when no entry matches.
	Entry string
	// Providers are the providers in order. The first writes.
	Providers []Provider
}

// Provider is one provider of a rule.
type Provider struct {
	// Format is what its values look like; Unrecognised stands for identity,
	// which writes plaintext of any kind.
	Format storedvalue.Format
	// Names are the names of its keys in order, the first of which writes, or
	// the one name of a KMS provider.
	Names []string
	// Endpoint and Timeout are those of a KMS provider, the timeout with the API
	// server's default.
	Endpoint string
	Timeout  time.Duration
}

// Identity reports whether the provider writes plaintext.
func (p Provider) Identity() bool { return p.Format == storedvalue.Unrecognised }

// String returns "identity", or the format and the name that writes.
func (p Provider) String() string {
	if p.Identity() {
		return "identity"
	}
	return fmt.Sprintf("%s %s", p.Format, p.Names[0])
}

// Encrypts reports whether new values are encrypted.
func (r Rule) Encrypts() bool { return len(r.Providers) > 0 && !r.Providers[0].Identity() }

// groupResource is an entry of a resource list, taken apart as the API server
// does: at the first dot.
type groupResource struct{ group, name string }

// everything is "*.*".
func everything() groupResource { return groupResource{group: "*", name: "*"} }

func parseResource(s string) groupResource {
	name, group, _ := strings.Cut(s, ".")
	return groupResource{group: group, name: name}
}

func (gr groupResource) String() string {
	if gr.group == "" && gr.name != "*" {
		return gr.name
	}
	return gr.name + "." + gr.group
}

// newConfig puts the rules together. A resource that several entries name gets
// the providers of all of them, in order.
func newConfig(f fileConfig) (*Config, error) {
	c := &Config{rules: map[groupResource]Rule{}}
	for i, r := range f.Resources {
		var providers []Provider
		for _, p := range r.Providers {
			providers = append(providers, newProvider(p))
		}
		for j, name := range r.Resources {
			gr := parseResource(name)
			for _, wildcard := range []groupResource{{group: gr.group, name: "*"}, everything()} {
				if _, masked := c.rules[wildcard]; masked {
					return nil, fmt.Errorf("resources[%d].resources[%d]: has no effect, because an earlier entry names %s", i, j, wildcard)
				}
			}
			c.rules[gr] = Rule{Entry: gr.String(), Providers: append(slices.Clone(c.rules[gr].Providers), providers...)}
		}
	}
	return c, nil
}

func newProvider(p fileProvider) Provider {
	switch {
	case p.AESGCM != nil:
		return Provider{Format: storedvalue.AESGCM, Names: keyNames(p.AESGCM)}
	case p.AESCBC != nil:
		return Provider{Format: storedvalue.AESCBC, Names: keyNames(p.AESCBC)}
	case p.Secretbox != nil:
		return Provider{Format: storedvalue.Secretbox, Names: keyNames(p.Secretbox)}
	case p.KMS != nil && p.KMS.APIVersion == "v1":
		return newKMSProvider(storedvalue.KMSv1, p.KMS)
	case p.KMS != nil:
		return newKMSProvider(storedvalue.KMSv2, p.KMS)
	default:
		return Provider{Format: storedvalue.Unrecognised}
	}
}

func newKMSProvider(format storedvalue.Format, k *fileKMS) Provider {
	timeout, _ := parseTimeout(k.Timeout) // validated before
	return Provider{Format: format, Names: []string{k.Name}, Endpoint: k.Endpoint, Timeout: timeout}
}

func keyNames(k *fileKeys) []string {
	var names []string
	for _, key := range k.Keys {
		names = append(names, key.Name)
	}
	return names
}

// For returns the rule for a resource: its own, else that of its group, else
// that of all; an empty rule, which stores plaintext, if there is none, and for
// what the API server keeps for itself. It returns false when the resource's group is not known and the answer depends
// on it.
func (c *Config) For(r storedvalue.Resource) (Rule, bool) {
	// An API server opens the storage of these without its transformers, whatever
	// the configuration says: a wildcard does not reach them either.
	if r.Internal {
		return Rule{}, true
	}
	if !r.Known {
		for gr := range c.rules {
			// A path need not be the resource's name: it can be of any that is not
			// known to be elsewhere.
			if gr != everything() && (gr.name == r.Name || gr.name == "*" || !storedvalue.Located(gr.group, gr.name)) {
				return Rule{}, false
			}
		}
		return c.rules[everything()], true
	}
	for _, gr := range []groupResource{{r.Group, r.Name}, {r.Group, "*"}, everything()} {
		if rule, ok := c.rules[gr]; ok {
			return rule, true
		}
	}
	return Rule{}, true
}

// Rules returns the rules in the order of their entries' names.
func (c *Config) Rules() []Rule {
	return slices.SortedFunc(maps.Values(c.rules), func(a, b Rule) int { return strings.Compare(a.Entry, b.Entry) })
}

// OpenShiftServers returns which of OpenShift's own API servers the
// configuration is for, by the groups that its entries name; none for the file
// of a kube-apiserver, or one of wildcards alone.
func (c *Config) OpenShiftServers() map[string]bool {
	servers := map[string]bool{}
	for gr := range c.rules {
		if s := storedvalue.OpenShiftServer(gr.group); s != "" {
			servers[s] = true
		}
	}
	return servers
}

// Standing is how a stored value relates to the configuration.
type Standing int

const (
	// AsConfigured: it is what would be written now.
	AsConfigured Standing = iota
	// StaleKey: the provider that writes now, but not its first key.
	StaleKey
	// StaleProvider: another provider of the list than the first.
	StaleProvider
	// Plaintext: not encrypted, although new values are.
	Plaintext
	// EncryptedUnconfigured: encrypted, although new values are not.
	EncryptedUnconfigured
	// Unreadable: no provider of the list can read it. With this
	// configuration an API server fails on it.
	Unreadable
)

// Judge says how a value relates to the rule. name is the value's key or
// provider name, and is ignored for plaintext. Where several keys of the rule fit
// the name, as when a key was replaced under its old name, the standings of all
// of them are possible.
func (r Rule) Judge(format storedvalue.Format, name string) []Standing {
	if format.Plaintext() {
		if r.Encrypts() {
			return []Standing{Plaintext}
		}
		return []Standing{AsConfigured}
	}
	var possible []Standing
	for i, p := range r.Providers {
		for j, configured := range p.Names {
			if p.Format == format && fits(format, configured, name) {
				possible = append(possible, r.standing(i, j))
			}
		}
	}
	if len(possible) == 0 {
		return []Standing{Unreadable}
	}
	return possible
}

// standing is that of a value written with a key of a provider, by their places
// in the rule.
func (r Rule) standing(provider, key int) Standing {
	switch {
	case !r.Encrypts():
		return EncryptedUnconfigured
	case provider > 0:
		return StaleProvider
	case key > 0:
		return StaleKey
	default:
		return AsConfigured
	}
}

// fits reports whether a configured name can be the one that a value shows. Of
// the name of an AES or secretbox key a value may show only what is before a
// colon.
func fits(format storedvalue.Format, configured, stored string) bool {
	if configured == stored {
		return true
	}
	return format != storedvalue.KMSv1 && format != storedvalue.KMSv2 && strings.HasPrefix(configured, stored+":")
}
