package etcdconfig

import (
	"slices"
	"strings"
	"time"
)

// commandLineRules are what etcdmain does after it has read flags and environment
// (configFromCmdLine).
func (c *configuration) commandLineRules() {
	if c.explicit["listen-client-urls"] && !c.explicit["advertise-client-urls"] && !c.mayBeProxy() {
		c.values["advertise-client-urls"].items = nil
		c.refuse("--listen-client-urls is given, and etcd then wants --advertise-client-urls")
	}
	if c.discovers() && !c.explicit["initial-cluster"] {
		c.values["initial-cluster"].items = []string{""}
	}
	if c.values["discovery-fallback"].text() == "proxy" && c.release.Minor > 5 {
		c.refuse("--discovery-fallback=proxy is not accepted any more")
	}
	c.experimentalGates(func(name string) bool { return c.explicit[name] })
}

// discovers returns whether the members of a new cluster are looked up.
func (c *configuration) discovers() bool {
	return c.values["discovery"].text() != "" || c.values["discovery-srv"].text() != "" ||
		c.values["discovery-srv-name"].text() != "" || c.values["discovery-endpoints"].text() != ""
}

// mayBeProxy follows etcdmain of 3.5, which can run as a proxy of the v2 API.
func (c *configuration) mayBeProxy() bool {
	if c.release.Minor > 5 {
		return false
	}
	fallsBack := c.values["discovery"].text() != "" && c.values["discovery-fallback"].text() == "proxy"
	return c.values["proxy"].text() != "off" || fallsBack
}

// fileRules are what embed does with a file after decoding it (configFromFile).
func (c *configuration) fileRules(doc *document) {
	c.explicit = map[string]bool{}
	for name := range doc.top {
		c.explicit[name] = true
	}
	if peer, found := doc.top["peer-transport-security"]; found && c.release.Minor > 5 {
		section, isMap := peer.(map[string]any)
		if !isMap {
			c.refuse("%s: peer-transport-security is no map", doc.file)
		}
		for name := range section {
			c.explicit["peer-"+name] = true
		}
	}
	if c.release.Minor == 6 {
		if entries, found := doc.top["experimental-snapshot-catch-up-entries"]; found {
			c.explicit["experimental-snapshot-catchup-entries"] = true
			if _, isNumber := entries.(float64); !isNumber {
				c.refuse("%s: experimental-snapshot-catch-up-entries takes a number", doc.file)
			}
		}
	}
	for name, v := range doc.top {
		if v == nil && c.release.Minor > 5 && (strings.EqualFold(name, "ServerFeatureGate") || strings.EqualFold(name, "FlagsExplicitlySet")) {
			c.refuse("%s: %s must not be null", doc.file, name)
		}
	}
	for i := range c.settings {
		c.parseText(&c.settings[i], doc.file)
	}
	// discovery-srv-name alone does not count here, as it does for flags.
	alone := *c.values["discovery-srv-name"]
	c.values["discovery-srv-name"].items = []string{""}
	if c.discovers() && c.values["initial-cluster"].text() == c.byName["initial-cluster"].def {
		c.values["initial-cluster"].items = []string{""}
	}
	*c.values["discovery-srv-name"] = alone
	if state := c.values["initial-cluster-state"]; state.text() == "" {
		state.items = []string{"new"}
	}
	if validity := c.values["self-signed-cert-validity"]; validity.text() == "0" {
		validity.items = []string{"1"}
	}
	c.experimentalGates(func(name string) bool {
		on, found := doc.top[name]
		if _, isBool := on.(bool); found && !isBool {
			c.refuse("%s: %s takes true or false", doc.file, name)
		}
		return found
	})
}

// parseText reads what a file writes as one text and the flag as a list.
func (c *configuration) parseText(s *setting, file string) {
	v := c.values[s.name]
	given := v.text()
	inFile := c.feeds(s.name)
	switch written := given != "" && v.set; {
	case s.fileOnly || s.path() == "":
	case inFile != nil && !written:
		// Not written, or empty: a field of embed.Config, or its default.
		v.items, v.set = inFile.items, inFile.set
		if inFile.set {
			v.origin = inFile.origin
		}
	case s.kind == urls:
		parsed, err := parseURLs(given)
		if err != nil {
			c.refuse("%s: %s: %v", file, s.name, err)
		}
		v.items = parsed
	case inFile != nil, s.kind == gates:
		fresh := s.initial("")
		if err := s.assign(fresh, given); err != nil {
			c.refuse("%s: %s: %v", file, s.name, err)
		}
		v.items = fresh.items
	case s.kind == choice && s.name != "initial-cluster-state" && given != "" && !slices.Contains(s.valid, given):
		c.refuse("%s: %s takes %s", file, s.name, strings.Join(s.valid, ", "))
	}
}

// feeds returns the value of the field of embed.Config that fills a setting.
func (c *configuration) feeds(name string) *value {
	for i := range c.settings {
		if f := c.settings[i].field; f != nil && f.feeds == name {
			return c.values[c.settings[i].name]
		}
	}
	return nil
}

// experimentalGates follows SetFeatureGatesFromExperimentalFlags of 3.6.
func (c *configuration) experimentalGates(given func(name string) bool) {
	if c.release.Minor != 6 {
		return
	}
	all := c.values["feature-gates"]
	written := all.text()
	for i := range c.settings {
		s := &c.settings[i]
		gate, found := gatesOfFlags()[s.name]
		if !found || !given(s.name) {
			continue
		}
		if strings.Contains(written, gate) {
			c.refuse("%s and the feature gate %s are both given: etcd accepts one of them only", s.name, gate)
		}
		if err := c.byName["feature-gates"].assign(all, gate+"="+c.values[s.name].text()); err != nil {
			c.refuse("%s: %v", s.name, err)
		}
		if !all.set {
			all.set, all.origin = true, c.values[s.name].origin
		}
	}
}

// rename follows etcdmain of 3.6, where an old name sets what the new name sets.
func (c *configuration) rename() {
	for _, pair := range c.renamed() {
		old, name := pair[0], pair[1]
		if from, to := c.values[old], c.values[name]; c.explicit[old] {
			to.items, to.origin, to.set = from.items, from.origin, from.set
		}
	}
	c.warningDuration()
}

// warningDuration follows parseWarningUnaryRequestDuration.
func (c *configuration) warningDuration() {
	const name = "warning-unary-request-duration"
	v, old := c.values[name], c.values["experimental-"+name]
	if v == nil {
		return
	}
	none := (0 * time.Second).String()
	if old != nil && old.text() != none {
		if v.text() != none {
			c.refuse("experimental-%s and %s are both given: etcd accepts one of them only", name, name)
			return
		}
		v.items, v.origin, v.set = old.items, old.origin, old.set
	}
	if v.text() == none {
		v.items, v.origin = []string{"300ms"}, c.byDefault()
	}
}

// raise lifts a timeout to its least value.
func (c *configuration) raise(name string) {
	v := c.values[name]
	least := 5 * time.Second
	if d, err := time.ParseDuration(v.text()); err == nil && d < least {
		c.void(name, v.text(), v.origin, "etcd raises it to "+least.String())
		v.items = []string{least.String()}
	}
}

// derived fills in what etcd derives from other settings when it starts.
func (c *configuration) derived() {
	name := c.values["name"].text()
	if cluster := c.values["initial-cluster"]; name != "default" && cluster.text() == c.byName["initial-cluster"].def {
		var all []string
		for _, u := range c.values["initial-advertise-peer-urls"].items {
			all = append(all, orDefault(name)+"="+u)
		}
		cluster.items = []string{strings.Join(all, ",")}
	}
	if dir := c.values["data-dir"]; dir.text() == "" {
		dir.items = []string{name + ".etcd"}
		dir.origin = c.byDefault()
	}
	c.deprecation()
}

// deprecation follows etcdmain: newer releases decide themselves how far the v2 store is gone.
func (c *configuration) deprecation() {
	v := c.values["v2-deprecation"]
	fixed := "write-only"
	switch {
	case c.release.Minor == 5 && v.text() == "":
		v.items = []string{"not-yet"}
	case c.release.Minor == 5, v.text() == fixed, c.release.Minor == 6 && v.text() == "write-only-skip-check":
	default:
		if v.set {
			c.void("v2-deprecation", v.text(), v.origin, "etcd "+c.release.String()+" uses "+fixed+" in any case")
		}
		v.items, v.origin, v.set = []string{fixed}, c.byDefault(), false
	}
}

func orDefault(name string) string {
	if name == "" {
		return "default"
	}
	return name
}
