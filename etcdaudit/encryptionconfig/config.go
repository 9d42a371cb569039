package encryptionconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Config is an EncryptionConfiguration. Of its keys it holds at most what tries
// them.
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

	openers []Opener // one for each of Names, or none
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

// readsPlaintext reports whether plaintext can be read: it takes identity
// anywhere in the list, or no list at all.
func (r Rule) readsPlaintext() bool {
	return len(r.Providers) == 0 || slices.ContainsFunc(r.Providers, Provider.Identity)
}

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
func newConfig(f fileConfig, opener func(storedvalue.Format, []byte) Opener) (*Config, error) {
	c := &Config{rules: map[groupResource]Rule{}}
	for i, r := range f.Resources {
		var providers []Provider
		for _, p := range r.Providers {
			providers = append(providers, newProvider(p, opener))
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

func newProvider(p fileProvider, opener func(storedvalue.Format, []byte) Opener) Provider {
	switch {
	case p.AESGCM != nil:
		return newKeyProvider(storedvalue.AESGCM, p.AESGCM, opener)
	case p.AESCBC != nil:
		return newKeyProvider(storedvalue.AESCBC, p.AESCBC, opener)
	case p.Secretbox != nil:
		return newKeyProvider(storedvalue.Secretbox, p.Secretbox, opener)
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

func newKeyProvider(format storedvalue.Format, k *fileKeys, opener func(storedvalue.Format, []byte) Opener) Provider {
	p := Provider{Format: format}
	for i := range k.Keys {
		p.Names = append(p.Names, k.Keys[i].Name)
		if opener != nil {
			p.openers = append(p.openers, opener(format, k.Keys[i].Secret.bytes()))
		}
	}
	return p
}

// For returns the rule for a resource: its own, else that of its group, else
// that of all; an empty rule, which stores plaintext, if there is none, and for
// what the API server keeps for itself. It returns false when the resource's
// group is not known and the answer depends on it.
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

// Foreign reports whether a resource is of another API server than the one that
// the configuration is for: OpenShift's two keep theirs under one prefix, with a
// configuration and keys of their own each. The groups that the entries name
// show whose it is; wildcards alone do not.
func (c *Config) Foreign(r storedvalue.Resource) bool {
	if r.Server == "" {
		return false
	}
	_, reached := c.rules[everything()]
	named := false
	for gr := range c.rules {
		if storedvalue.OpenShiftServer(gr.group) == r.Server {
			return false
		}
		named = named || gr.name != "*" || storedvalue.OpenShiftServer(gr.group) != ""
	}
	return named || !reached
}
