package controls

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Letter is what a control asks for word by word, where a report can say whether it is so.
// Everything that is asked for has to hold, for every program of that kind.
type Letter struct {
	// Asks says it in one clause.
	Asks string `json:"asks"`
	// Program is whose settings are looked at: "etcd" or "kube-apiserver".
	Program  string    `json:"program"`
	Settings []Setting `json:"settings"`
	Files    []File    `json:"files"`
	// AnyProvider are kinds of providers of which an EncryptionConfiguration has to have one.
	AnyProvider   []string       `json:"any-provider"`
	FirstProvider *FirstProvider `json:"first-provider"`
	// KeyModeAtMost is for every private key that was found: "0600".
	KeyModeAtMost string `json:"key-mode-at-most"`
	// NotInReport is what would have to be known, where a report never holds it.
	NotInReport string `json:"not-in-report"`
	// PassesBut is why the letter may be satisfied while a check is not, and FailsBut why the
	// other way round.
	PassesBut string `json:"passes-but"`
	FailsBut  string `json:"fails-but"`
}

// Setting asks for a setting that is in force. Lists are separated by spaces.
type Setting struct {
	Name string `json:"name"`
	// Given is whether it has to be written down, or must not be: a default does not count.
	Given *bool `json:"given"`
	// Is lists the values of which it has to have one, IsNot the one that it must not have.
	Is    string `json:"is"`
	IsNot string `json:"is-not"`
	// Includes lists what has to be in its list, Lacks what must not be.
	Includes string `json:"includes"`
	Lacks    string `json:"lacks"`
}

// File asks for a directory that a setting names.
type File struct {
	Setting    string `json:"setting"`
	ModeAtMost string `json:"mode-at-most"`
	Owner      string `json:"owner"`
	// Group goes with an Owner. A report has the number of a group only, of which 0 is known.
	Group string `json:"group"`
}

// FirstProvider asks that a resource is named, and who does not write it.
type FirstProvider struct {
	Resource string `json:"resource"`
	IsNot    string `json:"is-not"`
}

func (l *Letter) valid() error {
	if l == nil {
		return nil
	}
	ofProgram := len(l.Settings) > 0 || len(l.Files) > 0 || len(l.AnyProvider) > 0 || l.FirstProvider != nil
	modes := []string{l.KeyModeAtMost}
	for _, f := range l.Files {
		modes = append(modes, f.ModeAtMost)
		if f.Setting == "" || (f.ModeAtMost == "") == (f.Owner == "") || f.Group != "" && f.Owner == "" {
			return errors.New("a file needs its setting, and a mode or an owner")
		}
	}
	for _, s := range l.Settings {
		if s.Name == "" || s.Given == nil && s.Is+s.IsNot+s.Includes+s.Lacks == "" {
			return errors.New("a setting needs a name, and what is asked for")
		}
	}
	for _, mode := range modes {
		if _, err := strconv.ParseUint(mode, 8, 32); mode != "" && err != nil {
			return fmt.Errorf("mode %q: want octal digits", mode)
		}
	}
	ways := 0
	for _, way := range []bool{ofProgram, l.KeyModeAtMost != "", l.NotInReport != ""} {
		if way {
			ways++
		}
	}
	switch {
	case l.Asks == "" || ways != 1:
		return errors.New("want what it asks for, in one of the ways that there are")
	case ofProgram && l.Program != "etcd" && l.Program != "kube-apiserver":
		return fmt.Errorf("program %q: want etcd or kube-apiserver", l.Program)
	}
	return nil
}

// evaluate returns what the letter gives: PASS, FAIL with what is wrong, or NOT_EVALUATED with
// the reason.
func (l *Letter) evaluate(r *auditv1.Report) (status auditv1.Status, said string) {
	if l.NotInReport != "" {
		return auditv1.Status_STATUS_NOT_EVALUATED, "the report does not hold " + l.NotInReport
	}
	var wrong, unknown []string
	seen := false
	if l.KeyModeAtMost != "" {
		for _, k := range r.PrivateKeys {
			seen = true
			switch {
			case k.GetMode() == "":
				unknown = append(unknown, "the mode of "+k.GetFile()+" is not known")
			case !atMost(k.Mode, l.KeyModeAtMost):
				wrong = append(wrong, k.File+" has "+k.Mode)
			}
		}
	}
	for _, c := range r.Configurations {
		if c.GetProgram() != l.Program || l.KeyModeAtMost != "" {
			continue
		}
		seen = true
		bad, open := l.of(c)
		for _, b := range bad {
			wrong = append(wrong, c.Name+": "+b)
		}
		for _, o := range open {
			unknown = append(unknown, c.Name+": "+o)
		}
	}
	switch {
	case len(wrong) > 0:
		return auditv1.Status_STATUS_FAIL, strings.Join(wrong, "; ")
	case len(unknown) > 0:
		return auditv1.Status_STATUS_NOT_EVALUATED, strings.Join(unknown, "; ")
	case !seen && l.KeyModeAtMost != "":
		return auditv1.Status_STATUS_NOT_EVALUATED, "the report has no private keys"
	case !seen:
		return auditv1.Status_STATUS_NOT_EVALUATED, "the report has no configuration of " + l.Program
	}
	return auditv1.Status_STATUS_PASS, ""
}

// of says what is wrong with one program by the letter, and what is not known of it.
func (l *Letter) of(c *auditv1.Configuration) (wrong, unknown []string) {
	// A setting that was not seen would pass as one that is not set.
	switch {
	case c.Unknown != "":
		return nil, []string{"its settings are not known in full: " + c.Unknown}
	case c.Refused != "":
		return nil, []string{"it would not start: " + c.Refused}
	case len(c.Settings) == 0:
		return nil, []string{"its settings are not known"}
	}
	for _, s := range l.Settings {
		if problem := s.problem(c); problem != "" {
			wrong = append(wrong, problem)
		}
	}
	for _, f := range l.Files {
		i := slices.IndexFunc(c.Files, func(file *auditv1.File) bool { return file.GetSetting() == f.Setting })
		switch {
		case i < 0:
			unknown = append(unknown, "owner and mode of its "+f.Setting+" are not known")
		case f.ModeAtMost != "" && !atMost(c.Files[i].Mode, f.ModeAtMost):
			wrong = append(wrong, c.Files[i].Path+" has "+c.Files[i].Mode)
		case f.Owner != "" && c.Files[i].Owner != f.Owner:
			wrong = append(wrong, fmt.Sprintf("%s belongs to %s", c.Files[i].Path, c.Files[i].Owner))
		case f.Group != "" && c.Files[i].Gid == 0:
			wrong = append(wrong, c.Files[i].Path+" belongs to the group root")
		case f.Group != "":
			unknown = append(unknown, fmt.Sprintf("the name of group %d of %s is not known", c.Files[i].Gid, c.Files[i].Path))
		}
	}
	if len(l.AnyProvider) == 0 && l.FirstProvider == nil {
		return wrong, unknown
	}
	entries := c.EncryptionFile.GetRules()
	if len(entries) == 0 {
		if _, given := setting(c, "encryption-provider-config"); given {
			return wrong, append(unknown, "its EncryptionConfiguration was not read")
		}
		return append(wrong, "it has no EncryptionConfiguration"), unknown
	}
	if len(l.AnyProvider) > 0 && !slices.ContainsFunc(entries, func(e *auditv1.EncryptionRule) bool {
		return slices.ContainsFunc(e.GetProviders(), func(p string) bool { return slices.Contains(l.AnyProvider, kind(p)) })
	}) {
		wrong = append(wrong, "none of these providers is in its EncryptionConfiguration")
	}
	if f := l.FirstProvider; f != nil {
		i := slices.IndexFunc(entries, func(e *auditv1.EncryptionRule) bool { return e.GetResource() == f.Resource })
		switch {
		case i < 0:
			wrong = append(wrong, "its EncryptionConfiguration does not name "+f.Resource)
		case len(entries[i].Providers) > 0 && kind(entries[i].Providers[0]) == f.IsNot:
			wrong = append(wrong, f.IsNot+" is the first provider of "+f.Resource)
		}
	}
	return wrong, unknown
}

// kind is that of a provider, without names and version: letters know "kms" alone.
func kind(provider string) string {
	kind, _, _ := strings.Cut(provider, " ")
	return kind
}

// setting returns a setting's value, and whether it was written down.
func setting(c *auditv1.Configuration, name string) (value string, given bool) {
	for _, s := range c.Settings {
		if s.GetName() == name {
			return s.Value, s.Value != "" && !strings.HasPrefix(s.Origin, "default ")
		}
	}
	return "", false
}

func (s Setting) problem(c *auditv1.Configuration) string {
	value, given := setting(c, s.Name)
	has := strings.Split(value, ",")
	lacks := func(item string) bool { return !slices.Contains(has, item) }
	switch {
	case s.Given != nil && *s.Given && !given:
		return s.Name + " is not set"
	case s.Given != nil && !*s.Given && given:
		return s.Name + " is set"
	case s.Is != "" && !slices.Contains(strings.Fields(s.Is), value), s.IsNot != "" && value == s.IsNot,
		slices.ContainsFunc(strings.Fields(s.Includes), lacks), s.Lacks != "" && !lacks(s.Lacks):
		if value == "" {
			return s.Name + " is not set"
		}
		return s.Name + " is " + value
	}
	return ""
}

// atMost reports whether a mode gives no right beyond another one. What is not known gives
// any.
func atMost(mode, most string) bool {
	m, err := strconv.ParseUint(mode, 8, 32)
	limit, limitErr := strconv.ParseUint(most, 8, 32)
	return err == nil && limitErr == nil && m&^limit == 0
}
