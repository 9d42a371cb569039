package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// scopeView is one scope, with its sources where the text does not name them.
type scopeView struct {
	*auditv1.Scope
	Time    string
	Sources part[*auditv1.Source]
	Files   bool // etcd's own were read, and no running etcd
}

func scopesOf(r *auditv1.Report) (all []scopeView) {
	for _, s := range r.Scopes {
		v := scopeView{Scope: s, Sources: head(s.Sources, shownSources), Files: ofFiles(s)}
		if s.Time != nil {
			v.Time = s.Time.AsTime().Format("2006-01-02 15:04:05 UTC")
		}
		all = append(all, v)
	}
	return all
}

// store is what one scope counts, Secrets first.
type store struct {
	Text      string
	Resources part[*auditv1.Resource]
	Compared  part[comparedRow]
}

func storesOf(r *auditv1.Report) (all []store) {
	for _, s := range r.Scopes {
		if len(s.Resources) > 0 && len(all) < shownRows {
			secretsFirst := slices.Clone(s.Resources)
			slices.SortStableFunc(secretsFirst, func(a, b *auditv1.Resource) int { return rank(a) - rank(b) })
			all = append(all, store{s.Text, head(secretsFirst, shownRows), head(comparedOf(s), shownRows)})
		}
	}
	return all
}

// listenerView is what one address answered to whom.
type listenerView struct {
	*auditv1.Listener
	Plaintext, PostQuantum string
	Answers                []answerView
}

type answerView struct {
	Client, Said string
	LetIn        bool
}

func listenersOf(r *auditv1.Report) (all []listenerView) {
	for _, l := range r.Listeners {
		v := listenerView{Listener: l, Plaintext: plaintext(l)}
		readiness, groups := offered(l)
		if len(l.TlsVersions) > 0 {
			v.PostQuantum = strings.TrimSpace(readiness + " " + strings.Join(groups, ", "))
		}
		for _, client := range head(clientsOf(l), shownTargets).Shown {
			said := answer(l, client)
			v.Answers = append(v.Answers, answerView{Client: client, Said: said, LetIn: said == "answered" || said == "denied"})
		}
		all = append(all, v)
	}
	return all
}

// certificateView is a certificate with what is left of its time. Bar is that of 100 parts of
// the time that it was made for.
type certificateView struct {
	*auditv1.Certificate
	Name  string
	Days  int
	Bar   int
	State auditv1.Status
	Known bool // whether it is known when the report was made
	Uses  part[string]
}

// soon is how many days before its end a certificate is marked.
const soon = 30

// certificatesOf lists those that end first first.
func certificatesOf(r *auditv1.Report) (all []certificateView) {
	now := madeAt(r)
	for _, c := range r.Certificates {
		v := certificateView{Certificate: c, Name: cmp.Or(c.Subject, strings.Join(c.Names, ", "), c.Fingerprint)}
		var uses []string
		for _, u := range c.ServedAt {
			uses = append(uses, "served at "+u)
		}
		uses = append(uses, c.OnDisk...)
		for _, f := range c.TrustedIn {
			uses = append(uses, "trusted in "+f)
		}
		v.Uses = head(distinct(uses), 4)
		if v.Known = !now.IsZero() && c.NotAfter != nil; v.Known {
			v.Days = daysLeft(now, c.NotAfter)
			v.Bar = left(now, c)
			switch {
			case v.Days < 0:
				v.State = auditv1.Status_STATUS_FAIL
			case v.Days < soon:
				v.State = auditv1.Status_STATUS_WARN
			default:
				v.State = auditv1.Status_STATUS_PASS
			}
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b certificateView) int { return a.NotAfter.AsTime().Compare(b.NotAfter.AsTime()) })
	return all
}

func left(now time.Time, c *auditv1.Certificate) int {
	whole, rest := c.NotAfter.AsTime().Sub(c.NotBefore.AsTime()), c.NotAfter.AsTime().Sub(now)
	if whole <= 0 || rest <= 0 {
		return 0
	}
	return int(min(100, 100*rest.Seconds()/whole.Seconds()))
}

// keyView is a private key with the names of its certificates.
type keyView struct {
	*auditv1.PrivateKey
	Short string // the first digits of the HMAC: enough to see equal ones
	Of    []string
}

func keysOf(r *auditv1.Report) (all []keyView) {
	names := map[string]string{}
	for _, c := range r.Certificates {
		names[c.Fingerprint] = cmp.Or(c.Subject, c.Fingerprint)
	}
	for _, k := range r.PrivateKeys {
		v := keyView{PrivateKey: k, Short: k.Hmac[:min(len(k.Hmac), 12)]}
		for _, c := range k.Certificates[:min(len(k.Certificates), shownTargets)] {
			v.Of = append(v.Of, cmp.Or(names[c], c))
		}
		all = append(all, v)
	}
	return all
}

// acceptanceView is an accepted risk with what is left of its time.
type acceptanceView struct {
	*auditv1.Acceptance
	State string
	Class string
	Days  int
	Known bool
}

func acceptancesOf(r *auditv1.Report) (all []acceptanceView) {
	now := madeAt(r)
	for _, a := range r.Acceptances {
		v := acceptanceView{Acceptance: a, State: "not known", Class: "open"}
		switch a.State {
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE:
			v.State, v.Class = "in force", "accepted"
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_EXPIRED:
			v.State, v.Class = "expired", "fail"
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED:
			v.State, v.Class = "unused", "warn"
		}
		if v.Known = !now.IsZero() && a.Expires != nil; v.Known {
			v.Days = daysLeft(now, a.Expires)
		}
		all = append(all, v)
	}
	return all
}

// catalogue is one version of a benchmark or standard.
type catalogue struct {
	Name     string
	Controls part[controlView]
}

type controlView struct {
	*auditv1.Control
	Checks []relation
}

type relation struct {
	*auditv1.ControlCheck
	How string
}

func cataloguesOf(r *auditv1.Report) (all []catalogue) {
	of := map[string][]controlView{}
	var names []string
	for _, c := range r.Controls {
		name := strings.TrimSpace(c.Catalogue + " " + c.Version)
		if of[name] == nil {
			names = append(names, name)
		}
		v := controlView{Control: c}
		for _, check := range c.Checks[:min(len(c.Checks), shownTargets)] {
			how := "relation not known"
			switch check.Relation {
			case auditv1.Relation_RELATION_EVIDENCES:
				how = "evidences"
			case auditv1.Relation_RELATION_PARTLY:
				how = "partly"
			case auditv1.Relation_RELATION_NEEDS_HUMAN:
				how = "needs a human"
			}
			v.Checks = append(v.Checks, relation{check, how})
		}
		of[name] = append(of[name], v)
	}
	for _, name := range names {
		all = append(all, catalogue{name, head(of[name], shownRows)})
	}
	return all
}

// configurationView is a program with what was set; defaults are in JSON.
type configurationView struct {
	*auditv1.Configuration
	Set, Void part[*auditv1.Setting]
}

func configurationsOf(r *auditv1.Report) (all []configurationView) {
	for _, c := range r.Configurations {
		var set []*auditv1.Setting
		for _, s := range c.Settings {
			if !strings.HasPrefix(s.Origin, "default") {
				set = append(set, s)
			}
		}
		all = append(all, configurationView{c, head(set, shownSettings), head(c.Void, shownSettings)})
	}
	return all
}
