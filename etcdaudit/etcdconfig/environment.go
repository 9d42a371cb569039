package etcdconfig

import (
	"fmt"
	"strings"
)

const variablePrefix = "ETCD_"

// variableOf returns the environment variable of a flag (pkg/flags.FlagToEnv).
func variableOf(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// variable is an environment variable of etcd's.
type variable struct{ name, text string }

// variables returns those that begin with ETCD_, in order. Of a name that is there twice
// Go keeps the first.
func variables(env []string) []variable {
	var all []variable
	seen := map[string]bool{}
	for _, entry := range env {
		name, text, found := strings.Cut(entry, "=")
		if !found || seen[name] || !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		seen[name] = true
		all = append(all, variable{name, text})
	}
	return all
}

// lookup returns the value of a variable; "" if it is not there.
func lookup(env []string, name string) string {
	for _, v := range variables(env) {
		if v.name == name {
			return v.text
		}
	}
	return ""
}

// environment lays variables over the flags. It is not called beside a configuration file.
func (c *configuration) environment(env []string) {
	byVariable := map[string]*setting{}
	for i := range c.settings {
		if s := &c.settings[i]; !s.fileOnly {
			byVariable[variableOf(s.name)] = s
		}
	}
	old := map[string]string{}
	for _, s := range obsolete() {
		old[variableOf(s.name)] = s.name
	}
	for _, v := range variables(env) {
		s, origin := byVariable[v.name], Origin{Kind: Environment, Text: v.name}
		switch {
		case v.name == "ETCD_VERSION" && v.text != "":
			c.void("version", "", origin, "etcd takes it away before it reads the environment")
		case s != nil && c.explicit[s.name], c.explicit[old[v.name]]:
			// Even an empty one: verifyEnv looks at names only.
			c.refuse("%s is set, and the flag of that name is given too: etcd accepts one of them only", v.name)
			c.void(nameBy(s, old[v.name]), shownBy(s, v.text), origin, "the flag is given too")
		case s == nil && old[v.name] != "":
			c.void(old[v.name], "", origin, "etcd accepts this variable and does nothing with it")
		case s == nil:
			// The value is not shown: it is not known what it is.
			c.void(v.name, "", origin, "etcd "+c.release.String()+" knows no such variable"+c.otherVariable(v.name))
		case v.text == "":
			c.void(s.name, "", origin, "an empty variable counts as none")
		default:
			if err := s.assign(c.values[s.name], v.text); err != nil {
				c.refuse("%s: %v", v.name, err)
				continue
			}
			c.values[s.name].set, c.values[s.name].origin = true, origin
			c.explicit[s.name] = true
		}
	}
	// etcd raises these two, but not beside a file.
	for _, name := range []string{"raft-read-timeout", "raft-write-timeout"} {
		c.raise(name)
	}
}

// nameBy returns the name of a variable's flag, otherwise where it has none.
func nameBy(s *setting, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return s.name
}

func shownBy(s *setting, text string) string {
	if s == nil {
		return ""
	}
	return s.shown(text)
}

func (c *configuration) otherVariable(name string) string {
	for minor := newestMinor; minor >= oldestMinor; minor-- {
		for _, s := range settingsOf(Release{Major: 3, Minor: minor}) {
			if !s.fileOnly && variableOf(s.name) == name {
				return fmt.Sprintf(" (etcd 3.%d does)", minor)
			}
		}
	}
	return ""
}
