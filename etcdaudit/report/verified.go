package report

import (
	"cmp"
	"fmt"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// verification shows what became of the values that were opened, and what a restore needs.
func (p *printer) verification(r *auditv1.Report) {
	v := r.Verification
	if v == nil {
		return
	}
	scopes := textsOf(r)
	p.line("")
	p.line("Opened in memory; distinct DEK sources of KMS v2, opened or not: %d", v.DekSources)
	for _, one := range v.Verified {
		p.wrap("    ", "  %s: %s", scopes[one.Scope], outcomes(one))
	}
	for _, u := range v.Unwrappers {
		p.wrap("    ", "  %s", unwrapper(u))
	}
	for _, one := range v.Restores {
		p.line("")
		p.wrap("  ", "To restore the %s: %s. It needs", copyOf(r, one.Scope), restorable(one))
		for _, n := range one.Needs {
			p.wrap("    ", "  %s: %s (%s)", n.What, n.Value, n.Why)
		}
	}
}

// textsOf says of each scope what it is.
func textsOf(r *auditv1.Report) map[string]string {
	texts := map[string]string{}
	for _, s := range r.Scopes {
		texts[s.Id] = s.Text
	}
	return texts
}

// copyOf names the file that a scope is of.
func copyOf(r *auditv1.Report, scope string) string {
	for _, s := range r.Scopes {
		if s.Id == scope && len(s.Sources) > 0 {
			return cmp.Or(s.Copy, "database") + " " + s.Sources[0].Name
		}
	}
	return scope
}

// outcomes says what became of the values of a scope.
func outcomes(v *auditv1.Verified) string {
	var parts []string
	for _, o := range v.Outcomes {
		parts = append(parts, fmt.Sprintf("%d %s", o.Values, o.Outcome))
	}
	if v.Different > 0 {
		parts = append(parts, fmt.Sprintf("%d of them another object than its etcd key names", v.Different))
	}
	if len(parts) == 0 {
		return "no values"
	}
	return strings.Join(parts, ", ")
}

func unwrapper(u *auditv1.Unwrapper) string {
	text := fmt.Sprintf("%s: %d of %d requests opened a DEK source", u.Name, u.Opened, u.Requests)
	if u.Unanswered > 0 {
		text += fmt.Sprintf(", %d had no answer", u.Unanswered)
	}
	if u.Node != "" {
		text += ", from " + u.Node
	}
	return text
}

// restorable says whether a copy can be decrypted.
func restorable(r *auditv1.Restore) string {
	its, more := "its "+many(r.Values, "value"), ""
	if r.Unread != "" {
		its, more = "the "+many(r.Values, "value")+" that could be read", "; "+r.Unread+"; how many values were there is not known"
	}
	switch {
	case r.Undecryptable > 0:
		return fmt.Sprintf("%d of %s cannot be decrypted (EA-141)%s", r.Undecryptable, its, more)
	case r.NotEvaluated > 0:
		return fmt.Sprintf("%d of %s can be decrypted, and of the others it is not known (EA-141)%s", r.Opened, its, more)
	default:
		return fmt.Sprintf("each of %s can be decrypted%s", its, more)
	}
}

// verifiedView is the section of the page.
type verifiedView struct {
	DEKSources uint32
	Scopes     part[verifiedScope]
	Unwrappers []string
	Restores   part[restoreView]
}

type verifiedScope struct{ Scope, Said string }

type restoreView struct {
	Scope, Said string
	Needs       part[*auditv1.Requirement]
}

// verifiedOf is what the page shows of it; nil where nothing was opened.
func verifiedOf(r *auditv1.Report) *verifiedView {
	v := r.Verification
	if v == nil {
		return nil
	}
	texts := textsOf(r)
	view := &verifiedView{DEKSources: v.DekSources}
	var scopes []verifiedScope
	for _, one := range v.Verified {
		scopes = append(scopes, verifiedScope{texts[one.Scope], outcomes(one)})
	}
	var restores []restoreView
	for _, one := range v.Restores {
		restores = append(restores, restoreView{copyOf(r, one.Scope), restorable(one), head(one.Needs, shownRows)})
	}
	for _, u := range v.Unwrappers[:min(len(v.Unwrappers), shownRows)] {
		view.Unwrappers = append(view.Unwrappers, unwrapper(u))
	}
	view.Scopes, view.Restores = head(scopes, shownRows), head(restores, shownRows)
	return view
}
