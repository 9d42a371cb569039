package vaultbackend

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/vaultbackend/client"
)

// Use says what a plugin does with one key of its configuration.
type Use struct {
	// Section is where the key stands in the configuration: "vault", "previous[0]".
	Section string
	Config  Config
	// Seals is set for the key that writes: it wraps local KEKs, seeds and
	// canaries. The others only open.
	Seals bool
	// Derives is set where local KEKs are derived from the key (envelope: local).
	Derives bool
}

// Policy is what one login has to be allowed, and nothing else. Sections that
// log in as the same role share one.
type Policy struct {
	// Sections are those of the configuration that log in so.
	Sections []string
	// Namespace is where the policy has to be written; empty for the root
	// namespace. Its paths are relative to it.
	Namespace string
	Rules     []Rule
}

// Rule is one line of a policy.
type Rule struct {
	Path         string
	Capabilities []string // sorted
	// Why says what it serves and what fails without it, in lines.
	Why string
}

// Policies returns the least that a plugin's logins need, one policy for each
// login, in the order of the sections. It is a pure function of the
// configuration: it can be run where Vault cannot be reached.
func Policies(uses ...Use) ([]Policy, error) {
	type login struct {
		addresses, certificate string
		auth                   client.AuthConfig
	}
	var policies []Policy
	index := map[login]int{}
	for _, use := range uses {
		use.Config = use.Config.canonical()
		rules, err := use.rules()
		if err != nil {
			return nil, err
		}
		l := login{addresses: strings.Join(use.Config.Address, ","), auth: use.Config.Auth}
		if use.Config.Auth.Method == client.MethodCert {
			l.certificate = use.Config.ClientCertFile
		}
		i, known := index[l]
		if !known {
			i = len(policies)
			index[l] = i
			policies = append(policies, Policy{Namespace: use.Config.LoginNamespace()})
		}
		policies[i].Sections = append(policies[i].Sections, use.Section)
		for _, r := range rules {
			policies[i].add(r)
		}
	}
	return policies, nil
}

// add merges r into the rules: the same key may be named by two sections.
func (p *Policy) add(r Rule) {
	for i, known := range p.Rules {
		if known.Path == r.Path {
			all := slices.Concat(known.Capabilities, r.Capabilities)
			slices.Sort(all)
			p.Rules[i].Capabilities = slices.Compact(all)
			return
		}
	}
	p.Rules = append(p.Rules, r)
}

// rules returns what one canonical section needs, that about the token last.
func (u Use) rules() ([]Rule, error) {
	prefix, err := u.Config.policyPrefix()
	if err != nil {
		return nil, fmt.Errorf("%s.auth.namespace: %w", u.Section, err)
	}
	key := func(endpoint, tail string) string {
		return prefix + u.Config.Mount + "/" + endpoint + "/" + u.Config.Key + tail
	}
	rules := []Rule{{key("keys", ""), []string{"read"}, "The key's type, versions and minimums, at every probe. Without it nothing starts."}}
	if u.Seals {
		rules = append(rules, Rule{key("encrypt", ""), []string{"update"},
			"Wraps local KEKs and canaries; with envelope: vault, every seed. Never add \"create\":\nTransit would then create a missing key instead of reporting that it is missing."})
	}
	rules = append(rules, Rule{key("decrypt", ""), []string{"update"}, "Opens canaries, wrapped local KEKs, and seeds that Vault wrapped."})
	if u.Derives {
		rules = append(rules, Rule{key("hmac", "/sha2-256"), []string{"update"},
			"Local KEKs are derived from it: every caller of it can derive them. Plugins only."})
	}
	rules = append(rules, Rule{client.PathRenewSelf, []string{"update"},
		"Renews the plugin's own token. Without it the plugin logs in again each time."})
	lookup := Rule{client.PathLookupSelf, []string{"read"},
		"Distinguishes a refused key from a refused token. Without it the plugin does not\nrecognise that its rights to the key were taken away."}
	if u.Config.Auth.Method == client.MethodToken {
		lookup.Why = "Shows how long the token in the file lives, and distinguishes a refused key from a\nrefused token. Without it no such token is used."
		return append(rules, lookup), nil
	}
	return append(rules, lookup, Rule{client.PathRevokeSelf, []string{"update"},
		"Revokes the plugin's own token when it stops or has another. Without it the token\nlives until it expires."}), nil
}

// policyPrefix is the path from the namespace that the token belongs to, and in
// which its policies are therefore looked up, down to that of the key.
func (c Config) policyPrefix() (string, error) {
	login := c.LoginNamespace()
	switch {
	case login == c.Namespace:
		return "", nil
	case login == "":
		return c.Namespace + "/", nil
	case strings.HasPrefix(c.Namespace, login+"/"):
		return strings.TrimPrefix(c.Namespace, login+"/") + "/", nil
	default:
		return "", fmt.Errorf("a token of namespace %q is not valid in namespace %q: log in there or in a namespace above it",
			login, cmp.Or(c.Namespace, "root"))
	}
}

// HCL returns the policy as `vault policy write` takes it.
func (p Policy) HCL() string {
	width := 0
	for _, r := range p.Rules {
		width = max(width, len(r.Path))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The least that kmsplugin needs, printed by \"kmsplugin policy\" (for %s).\n", strings.Join(p.Sections, ", "))
	if p.Namespace != "" {
		fmt.Fprintf(&b, "# Write it in namespace %s, where the plugin logs in.\n", p.Namespace)
	}
	for _, r := range p.Rules {
		capabilities := make([]string, len(r.Capabilities))
		for i, c := range r.Capabilities {
			capabilities[i] = fmt.Sprintf("%q", c)
		}
		fmt.Fprintf(&b, "\n# %s\n", strings.ReplaceAll(r.Why, "\n", "\n# "))
		fmt.Fprintf(&b, "path \"%s\"%*s { capabilities = [%s] }\n", r.Path, width-len(r.Path), "", strings.Join(capabilities, ", "))
	}
	return b.String()
}
