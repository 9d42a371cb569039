package acceptance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/outcome"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Apply marks in a report what entries accept, lists them, and adds the checks of the entries
// themselves. What an earlier call has marked is taken back first, so a risk that had been
// accepted when a report was stored counts again once that has expired. The caller settles the
// report afterwards (package outcome). It fails, with one line for each such entry, where one
// does not say which of several nodes it is about; the report is then as it was.
func Apply(r *auditv1.Report, entries []Entry, now time.Time) error {
	on := nodesOf(r)
	var errs []error
	for _, e := range entries {
		errs = append(errs, on.unclear(r.Checks, e))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	takeBack(r)
	for _, e := range entries {
		r.Acceptances = append(r.Acceptances, apply(r.Checks, e, on, now))
	}
	for _, c := range r.Checks {
		for _, result := range c.Results {
			conclude(result)
		}
	}
	for _, c := range checksOf(entries, r.Acceptances) {
		i, _ := slices.BinarySearchFunc(r.Checks, c.Id, func(other *auditv1.Check, id string) int { return strings.Compare(other.Id, id) })
		r.Checks = slices.Insert(r.Checks, i, c)
	}
	return nil
}

// Renew applies once more what a report lists as accepted, at another time: a stored report may
// be settled anew after the date of a risk, or be put together of those of several nodes. It
// does nothing where no file of accepted risks was applied.
func Renew(r *auditv1.Report, now time.Time) error {
	var entries []Entry
	seen := map[Entry]bool{}
	for _, a := range r.Acceptances {
		e := Entry{
			Check: a.Check, Object: a.Object, Fingerprint: a.Fingerprint, Node: a.Node, Owner: a.Owner, Reason: a.Reason,
			CompensatingControl: a.CompensatingControl, Expires: a.Expires.AsTime(), Source: a.Source,
		}
		if !seen[e] { // one file for several nodes
			entries = append(entries, e)
		}
		seen[e] = true
	}
	if !slices.ContainsFunc(r.Checks, func(c *auditv1.Check) bool { return c.Id == expiredID }) && len(entries) == 0 {
		return nil
	}
	return Apply(r, entries, now)
}

func takeBack(r *auditv1.Report) {
	r.Acceptances = nil
	r.Checks = slices.DeleteFunc(r.Checks, func(c *auditv1.Check) bool { return c.Id == expiredID || c.Id == unusedID })
	for _, c := range r.Checks {
		for _, result := range c.Results {
			if result.Found == auditv1.Status_STATUS_UNSPECIFIED {
				continue
			}
			result.Status, result.Found, result.Reason, result.Accepted = result.Found, auditv1.Status_STATUS_UNSPECIFIED, "", 0
			for _, o := range result.Objects {
				o.Accepted = false
			}
		}
	}
}

func apply(checks []*auditv1.Check, e Entry, on nodes, now time.Time) *auditv1.Acceptance {
	a := &auditv1.Acceptance{
		Check: e.Check, Object: e.Object, Fingerprint: e.Fingerprint, Node: e.Node, Owner: e.Owner, Reason: e.Reason,
		CompensatingControl: e.CompensatingControl, Expires: timestamppb.New(e.Expires), Source: e.Source,
	}
	inForce, open := !e.expired(now), true
	i := slices.IndexFunc(checks, func(c *auditv1.Check) bool { return c.Id == e.Check })
	if i >= 0 {
		open = !on.hold(e.Node)
		for _, result := range checks[i].Results {
			if e.Node != "" && e.Node != on.of(result) {
				continue
			}
			a.Findings += mark(result, e, inForce)
			open = open || unjudged(result)
		}
	}
	switch {
	case !inForce:
		a.State = auditv1.AcceptanceState_ACCEPTANCE_STATE_EXPIRED
	case a.Findings > 0:
		a.State = auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE
	case open:
		a.State = auditv1.AcceptanceState_ACCEPTANCE_STATE_NOT_EVALUATED
	default:
		a.State = auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED
	}
	return a
}

// unjudged reports whether a result may hide what was accepted: it was not evaluated, or it
// does not list all objects.
func unjudged(r *auditv1.Result) bool {
	return r.Status == auditv1.Status_STATUS_NOT_EVALUATED || r.Status == auditv1.Status_STATUS_ERROR || r.ObjectsOmitted > 0
}

// mark marks what an entry accepts of a result, and counts it whether or not it is in force.
func mark(r *auditv1.Result, e Entry, inForce bool) (found uint32) {
	if !finding(r) {
		return 0
	}
	if e.is(r.Fingerprint, r.Target) {
		if inForce {
			accept(r, fmt.Sprintf("accepted by %s until %s: %s", e.Owner, e.Expires.Format(dateLayout), e.Reason))
		}
		return 1
	}
	for _, o := range r.Objects {
		if e.is(o.Fingerprint, objectNames(o)...) {
			o.Accepted = o.Accepted || inForce
			found++
		}
	}
	return found
}

// finding reports whether a result is a finding, accepted ones included.
func finding(r *auditv1.Result) bool {
	return r.Status == auditv1.Status_STATUS_FAIL || r.Status == auditv1.Status_STATUS_WARN || r.Status == auditv1.Status_STATUS_ACCEPTED
}

// is reports whether an entry means what has this fingerprint and one of these names.
func (e Entry) is(fingerprint string, names ...string) bool {
	if e.Fingerprint != "" {
		return e.Fingerprint == fingerprint
	}
	return e.Object != "" && slices.Contains(names, e.Object)
}

// objectNames are those by which an entry may name an object: "default/db", and
// "secrets default/db".
func objectNames(o *auditv1.Object) []string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return []string{name, strings.TrimSpace(o.Resource + " " + name)}
}

func accept(r *auditv1.Result, reason string) {
	if r.Status != auditv1.Status_STATUS_ACCEPTED {
		r.Found, r.Status = r.Status, auditv1.Status_STATUS_ACCEPTED
	}
	r.Reason = reason
}

// conclude judges a result of which objects are accepted. It is accepted only if nothing of
// it is left, what is not listed included.
func conclude(r *auditv1.Result) {
	for _, o := range r.Objects {
		if o.Accepted {
			r.Accepted++
		}
	}
	all := max(r.Count, uint32(len(r.Objects))+r.ObjectsOmitted) //nolint:gosec // at most a thousand are listed
	switch {
	case r.Status == auditv1.Status_STATUS_ACCEPTED:
		r.Accepted = all
	case r.Accepted == 0:
	case r.Accepted == all:
		accept(r, "each of its objects is accepted")
	default:
		r.Found, r.Reason = r.Status, fmt.Sprintf("%d of %d are accepted, and %d are left", r.Accepted, all, all-r.Accepted)
	}
}

// checksOf judges the entries themselves.
func checksOf(entries []Entry, acceptances []*auditv1.Acceptance) []*auditv1.Check {
	checks := Checks()
	expired, unused := checks[0], checks[1]
	for i, a := range acceptances {
		e := entries[i]
		switch a.State {
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_EXPIRED:
			said, remedy := "no finding of it is left", "remove the entry"
			if a.Findings > 0 {
				said, remedy = "what it accepted counts again", "fix it, or have "+e.Owner+" accept it anew"
			}
			expired.Results = append(expired.Results, about(e, expired.Id, auditv1.Status_STATUS_FAIL, fmt.Sprintf("it was in force until %s; %s", e.Expires.Format(dateLayout), said), remedy))
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED:
			unused.Results = append(unused.Results, about(e, unused.Id, auditv1.Status_STATUS_WARN, "the check has no such finding", "remove the entry if the finding was fixed; else correct object or fingerprint"))
		}
	}
	for _, c := range checks {
		switch {
		case len(entries) == 0:
			c.Results = []*auditv1.Result{{Status: auditv1.Status_STATUS_NOT_APPLICABLE, Reason: "no risk is accepted"}}
		case len(c.Results) == 0:
			c.Results = []*auditv1.Result{{Status: auditv1.Status_STATUS_PASS, Summary: fmt.Sprintf("none of %d", len(entries))}}
		}
	}
	return checks
}

func about(e Entry, id string, status auditv1.Status, summary, remedy string) *auditv1.Result {
	identity := []string{e.Check, e.Object, e.Fingerprint}
	if e.Node != "" {
		identity = append(identity, e.Node)
	}
	return &auditv1.Result{
		Target: e.name(), Node: e.Node, Identity: identity, Fingerprint: outcome.Fingerprint(id, identity), Status: status, Summary: summary, Remediation: remedy,
		Evidence: []*auditv1.Evidence{{Source: e.Source, Seen: "accepted by " + e.Owner + ": " + e.Reason}},
	}
}
