package etcdconfig

import (
	"cmp"
	"slices"

	"github.com/sealproof/sealproof/internal/safeurl"
)

// ConfigFile returns the configuration file that etcd would read, and what names it;
// "" if there is none.
func ConfigFile(in Input) (path string, origin Origin) {
	release, _ := in.Release.nearest()
	c := start(rulesOf(release))
	c.flags(in.Args)
	return c.configFile(in.Env)
}

func (c *configuration) configFile(env []string) (path string, origin Origin) {
	const variable = variablePrefix + "CONFIG_FILE"
	if v := c.values["config-file"]; v.text() != "" {
		return v.text(), v.origin
	}
	if path := lookup(env, variable); path != "" {
		return path, Origin{Kind: Environment, Text: variable}
	}
	return "", Origin{}
}

// Merge returns what etcd makes of its input. It goes further than embed.ConfigFromFile:
// what ends a server later, but for reasons in the input alone, is refused here as well
// (TLS files that are missing in it, suites that HTTP/2 wants, an address used twice).
// It does not know whether files can be read, an address is free, a name resolves or a data
// directory exists, which etcd asks before it reads initial-cluster.
//
// Where the release is not known, or not one of those that are known here, the nearest one
// decides; where that refuses, the newest that does not. What is refused then is refused by
// all of them.
func Merge(in Input) Effective {
	release, same := in.Release.nearest()
	e := merge(in, release)
	for minor := newestMinor; !same && e.Refused != "" && minor >= oldestMinor; minor-- {
		if other := merge(in, Release{Major: 3, Minor: minor}); other.Refused == "" {
			e = other
		}
	}
	e.Assumed = !same
	return e
}

func merge(in Input, release Release) Effective {
	c := start(rulesOf(release))
	c.flags(in.Args)
	notEvaluated := ""
	path, origin := c.configFile(in.Env)
	switch {
	case path == "":
		if c.refused == "" {
			c.environment(in.Env)
			c.commandLineRules()
		}
	case in.FileErr != "":
		notEvaluated = path + ": " + in.FileErr
		c.besideFile(origin, in.Env)
	default:
		c.besideFile(origin, in.Env)
		notEvaluated = c.readFile(path, in.File)
		c.values["config-file"].items, c.values["config-file"].origin = []string{path}, origin
	}
	c.rename()
	c.validate()
	c.derived()
	c.listeners()
	if c.refused == "" && notEvaluated == "" {
		c.unusedTLS(c.client())
		c.unusedTLS(c.peer())
	}
	e := c.effective()
	e.NotEvaluated = notEvaluated
	if notEvaluated != "" {
		// What a file says that was not read may be anything.
		e = Effective{Release: release, NotEvaluated: notEvaluated, Voids: e.Voids}
	}
	return e
}

// besideFile takes back flags that a configuration file makes void, and notes variables.
func (c *configuration) besideFile(file Origin, env []string) {
	for i := range c.settings {
		s := &c.settings[i]
		v := c.values[s.name]
		if !v.set || s.beyond || s.name == "config-file" {
			continue
		}
		c.void(s.name, s.shown(v.text()), v.origin, "a configuration file is used, and etcd then ignores flags")
		c.values[s.name] = s.initial(s.def)
		c.values[s.name].origin = c.byDefault()
	}
	byVariable := map[string]*setting{}
	for i := range c.settings {
		byVariable[variableOf(c.settings[i].name)] = &c.settings[i]
	}
	for _, variable := range variables(env) {
		if variable.name != file.Text {
			s := byVariable[variable.name]
			c.void(nameBy(s, variable.name), shownBy(s, variable.text), Origin{Kind: Environment, Text: variable.name},
				"a configuration file is used, and etcd then ignores variables")
		}
	}
}

func (c *configuration) effective() Effective {
	get := func(name string) []string {
		items := slices.Clone(c.values[name].items)
		for i := range items {
			items[i] = safeurl.WithoutUserinfo(items[i])
		}
		return items
	}
	text := func(name string) string { return c.values[name].text() }
	return Effective{
		Release: c.release, Refused: c.refused, Settings: c.allSettings(), Voids: c.voids,
		ListenClient: get("listen-client-urls"), ListenClientHTTP: get("listen-client-http-urls"),
		ListenPeer: get("listen-peer-urls"), ListenMetrics: get("listen-metrics-urls"),
		AdvertiseClient: get("advertise-client-urls"), AdvertisePeer: get("initial-advertise-peer-urls"),
		Client: c.client().TLS, Peer: c.peer().TLS,
		DataDir: text("data-dir"), WALDir: text("wal-dir"),
		TLSMinVersion: text("tls-min-version"), TLSMaxVersion: text("tls-max-version"), CipherSuites: get("cipher-suites"),
		LogLevel: text("log-level"),
		Pprof:    text("enable-pprof") == "true" || text("log-level") == "debug",
	}
}

// allSettings returns the settings by name. Fields of embed.Config are among them only
// where the file has them.
func (c *configuration) allSettings() []Setting {
	var all []Setting
	for i := range c.settings {
		s := &c.settings[i]
		v := c.values[s.name]
		if s.name == "version" || s.field != nil && (!s.field.shown || !v.set) {
			continue
		}
		all = append(all, Setting{Name: s.name, Value: s.shown(v.text()), Origin: v.origin})
	}
	slices.SortFunc(all, func(a, b Setting) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
