package encryptionconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/internal/apiresource"
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
	// Kind is one of the constants below.
	Kind string
	// Names are the names of its keys in order, the first of which writes, or
	// the one name of a KMS provider.
	Names []string
	// Endpoint and Timeout are those of a KMS provider, the timeout with the API
	// server's default.
	Endpoint string
	Timeout  time.Duration

	openers []Opener // one for each of Names, or none
}

// The kinds of providers.
const (
	AESCBC    = "aescbc"
	AESGCM    = "aesgcm"
	Secretbox = "secretbox"
	KMSv1     = "kms v1"
	KMSv2     = "kms v2"
	Identity  = "identity" // writes plaintext
)

// KMSv1Drawbacks is what is wrong with KMS v1 (k8s.io/apiserver: the feature gate
// KMSv1, and envelope.go, which makes a data key for each write).
const KMSv1Drawbacks = "KMS v1 is deprecated, and off by default since Kubernetes 1.29; each value has a data key of its own, for which an API server asks the plugin"

// Name returns the name that the provider writes with; empty for identity.
func (p Provider) Name() string {
	if len(p.Names) == 0 {
		return ""
	}
	return p.Names[0]
}

// String returns the kind and the name that the provider writes with.
func (p Provider) String() string { return strings.TrimSpace(p.Kind + " " + p.Name()) }

// Trial is the outcome of trying a key on a value.
type Trial uint8

const (
	// Untried: there is no key to try, and the name decides.
	Untried Trial = iota
	// Refused: the key does not open the value. The API server tries the next.
	Refused
	// Opened: there is an object.
	Opened
	// Garbled: the key seems to fit, but there is no object. The API server
	// notices that only after it has chosen the key, and fails.
	Garbled
)

// Opener tries one key on the value that is stored under an etcd key. ciphertext
// is what follows the name of the key in that value.
type Opener func(ciphertext, etcdKey []byte) Trial

// NewOpener takes one key of a provider, by the provider's kind and the key's name, and
// returns what tries it. The key is overwritten when the whole file has been
// parsed, so the Opener must not use it later.
type NewOpener func(kind, name string, key []byte) Opener

// Try tries the key of one of the provider's Names on a value.
func (p Provider) Try(name int, ciphertext, etcdKey []byte) Trial {
	if p.openers == nil {
		return Untried
	}
	return p.openers[name](ciphertext, etcdKey)
}

// Encrypts reports whether new values are encrypted.
func (r Rule) Encrypts() bool { return len(r.Providers) > 0 && r.Providers[0].Kind != Identity }

// ReadsPlaintext reports whether plaintext can be read: identity is anywhere in the
// list, or there is no list.
func (r Rule) ReadsPlaintext() bool {
	return len(r.Providers) == 0 || slices.ContainsFunc(r.Providers, func(p Provider) bool { return p.Kind == Identity })
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
func newConfig(f fileConfig, opener NewOpener) (*Config, error) {
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

func newProvider(p fileProvider, opener NewOpener) Provider {
	switch {
	case p.AESGCM != nil:
		return newKeyProvider(AESGCM, p.AESGCM, opener)
	case p.AESCBC != nil:
		return newKeyProvider(AESCBC, p.AESCBC, opener)
	case p.Secretbox != nil:
		return newKeyProvider(Secretbox, p.Secretbox, opener)
	case p.KMS != nil && p.KMS.APIVersion == "v1":
		return newKMSProvider(KMSv1, p.KMS)
	case p.KMS != nil:
		return newKMSProvider(KMSv2, p.KMS)
	default:
		return Provider{Kind: Identity}
	}
}

func newKMSProvider(kind string, k *fileKMS) Provider {
	timeout, _ := parseTimeout(k.Timeout) // validated before
	return Provider{Kind: kind, Names: []string{k.Name}, Endpoint: k.Endpoint, Timeout: timeout}
}

func newKeyProvider(kind string, k *fileKeys, opener NewOpener) Provider {
	p := Provider{Kind: kind}
	for i := range k.Keys {
		p.Names = append(p.Names, k.Keys[i].Name)
		if opener != nil {
			p.openers = append(p.openers, opener(kind, k.Keys[i].Name, k.Keys[i].Secret.bytes()))
		}
	}
	return p
}

// For returns the rule for a resource: its own, else that of its group, else
// that of all; an empty rule, which stores plaintext, if there is none, and for
// what the API server keeps for itself. It returns false when the resource's
// group is not known and the answer depends on it.
func (c *Config) For(r apiresource.Resource) (Rule, bool) {
	// An API server opens the storage of these without its transformers, whatever
	// the configuration says: a wildcard does not reach them either.
	if r.Internal {
		return Rule{}, true
	}
	if !r.Known {
		for gr := range c.rules {
			// A path need not be the resource's name: it can be of any that is not
			// known to be elsewhere.
			if gr != everything() && (gr.name == r.Name || gr.name == "*" || !apiresource.Located(gr.group, gr.name)) {
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
func (c *Config) Foreign(r apiresource.Resource) bool {
	if r.Server == "" {
		return false
	}
	_, reached := c.rules[everything()]
	named := false
	for gr := range c.rules {
		if apiresource.OpenShiftServer(gr.group) == r.Server {
			return false
		}
		named = named || gr.name != "*" || apiresource.OpenShiftServer(gr.group) != ""
	}
	return named || !reached
}
