package etcdconfig

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/sealproof/sealproof/internal/safeurl"
)

// configuration is what is known while the sources are laid over each other.
type configuration struct {
	*rules
	values map[string]*value
	// explicit has the names that etcd takes as set by the operator.
	explicit map[string]bool
	// cleared is a section of discovery-config that is null.
	cleared string
	voids   []Void
	refused string
}

// start returns the defaults of a release.
func start(r *rules) *configuration {
	c := &configuration{rules: r, values: make(map[string]*value, len(r.settings)), explicit: map[string]bool{}}
	for i := range c.settings {
		s := &c.settings[i]
		c.values[s.name] = s.initial(s.def)
		c.values[s.name].origin = c.byDefault()
	}
	return c
}

func (c *configuration) byDefault() Origin {
	return Origin{Kind: Default, Text: "default of etcd " + c.release.String()}
}

// refuse keeps the first reason.
func (c *configuration) refuse(format string, args ...any) {
	c.refused = cmp.Or(c.refused, fmt.Sprintf(format, args...))
}

func (c *configuration) void(name, value string, origin Origin, why string) {
	c.voids = append(c.voids, Void{Name: name, Value: value, Origin: origin, Why: why})
}

// shown returns a value as it may be shown.
func (s *setting) shown(given string) string {
	if s.secret && given != "" {
		return "(not shown)"
	}
	return safeurl.WithoutUserinfo(given)
}

// flagValue lets package flag do the parsing that it does for etcd.
type flagValue struct {
	setting *setting
	value   *value
	given   *[]assignment
}

// assignment is one flag as it was given.
type assignment struct {
	setting *setting
	text    string
}

func (f flagValue) String() string   { return "" }
func (f flagValue) IsBoolFlag() bool { return f.setting.kind == boolean || f.setting.kind == ignored }

func (f flagValue) Set(text string) error {
	*f.given = append(*f.given, assignment{f.setting, text})
	return f.setting.assign(f.value, text)
}

// flags lays the command line over the defaults.
func (c *configuration) flags(args []string) {
	if len(args) > 0 && (args[0] == "gateway" || args[0] == "grpc-proxy") {
		c.refuse("it runs as etcd %s, which is not a server", args[0])
		return
	}
	var given []assignment
	fs := flag.NewFlagSet("etcd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	old := obsolete()
	for i := range old {
		fs.Var(flagValue{&old[i], old[i].initial(""), &given}, old[i].name, "")
	}
	for i := range c.settings {
		if s := &c.settings[i]; !s.fileOnly {
			fs.Var(flagValue{s, c.values[s.name], &given}, s.name, "")
		}
	}
	err := fs.Parse(args)
	c.keep(given)
	switch rest := fs.Args(); {
	case errors.Is(err, flag.ErrHelp):
		c.refuse("--help makes it print its flags and end")
	case err != nil:
		c.refuse("%s", c.flagError(err, given))
		c.lost(rest, "it comes after a flag that etcd refuses")
	case len(rest) > 0:
		// Other words may be anything, even a password.
		word := fmt.Sprintf("argument %d", len(args)-len(rest)+1)
		if _, err := strconv.ParseBool(rest[0]); err == nil {
			word = strconv.Quote(rest[0])
		}
		c.refuse("%s is not a flag: a flag that is true or false takes its value after \"=\" only, and the first separate word ends the command line", word)
		c.lost(rest, "it comes after "+word+", a separate word, which ends the command line")
	case c.values["version"].isTrue():
		c.refuse("--version makes it print its version and end")
	}
}

// keep notes where the flags that were given come from.
func (c *configuration) keep(given []assignment) {
	for i, a := range given {
		name := a.setting.name
		origin := Origin{Kind: Flag, Text: "--" + name}
		c.explicit[name] = true
		if a.setting.kind == ignored {
			c.void(name, "", origin, "etcd accepts this flag and does nothing with it")
			continue
		}
		v := c.values[name]
		v.origin, v.set = origin, true
		later := slices.ContainsFunc(given[i+1:], func(b assignment) bool { return b.setting == a.setting })
		if adds := a.setting.kind == gates || a.setting.kind == choices; later && !adds {
			c.void(name, a.setting.shown(a.text), origin, "the flag is given again, and the last one counts")
		}
	}
}

// flagError says why package flag refused the command line, without the value.
func (c *configuration) flagError(err error, given []assignment) string {
	if name, found := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); found {
		return fmt.Sprintf("there is no flag --%s in etcd %s%s", name, c.release, c.elsewhere(name))
	}
	if name, found := strings.CutPrefix(err.Error(), "flag needs an argument: -"); found {
		return fmt.Sprintf("--%s needs a value", name)
	}
	if len(given) > 0 {
		last := given[len(given)-1]
		if why := last.setting.assign(last.setting.initial(""), last.text); why != nil {
			return fmt.Sprintf("--%s: %v", last.setting.name, why)
		}
	}
	return "the command line has a word that is not a flag"
}

// elsewhere says which release has a flag or key that this one has not.
func (c *configuration) elsewhere(name string) string {
	for minor := newestMinor; minor >= oldestMinor; minor-- {
		other := Release{Major: 3, Minor: minor}
		if other == c.release || !slices.ContainsFunc(settingsOf(other), func(s setting) bool { return s.name == name }) {
			continue
		}
		if stable := strings.TrimPrefix(name, "experimental-"); stable != name && c.byName[stable] != nil {
			return fmt.Sprintf(" (it is --%s now)", stable)
		}
		return fmt.Sprintf(" (etcd %s has it)", other)
	}
	return ""
}

// lost notes words that were not parsed.
func (c *configuration) lost(rest []string, why string) {
	for _, word := range rest {
		name, given, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if s := c.byName[name]; s != nil && strings.HasPrefix(word, "-") {
			c.void(name, s.shown(given), Origin{Kind: Flag, Text: "--" + name}, why)
		}
	}
}
