// Package report turns what was counted and checked into the report model of
// proto/sealproof/audit/v1, and writes it as a table or as JSON.
//
// It must never see a value. Names that come from etcd are made printable
// before they enter the model.
package report

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// New evaluates every rule and builds the report. scope says where the input
// came from; its counts are filled in here.
func New(scope *auditv1.Scope, tool *auditv1.Tool, in rules.Input, failOn auditv1.Severity) *auditv1.Report {
	scope.KeysRead = rules.Count(in.Inventory.Keys)
	scope.ValueBytes = in.Inventory.Bytes
	scope.Text = fmt.Sprintf("%s at revision %d of %s, keys under %s", scope.Layer, scope.Revision, source(scope), scope.Prefix)
	checks := rules.Evaluate(in)
	return &auditv1.Report{
		Scope:        scope,
		Verdict:      verdict(checks, failOn),
		Checks:       checks,
		Resources:    resources(in),
		NotEvaluated: notEvaluated(scope, in),
		Tool:         tool,
	}
}

func verdict(checks []*auditv1.Check, failOn auditv1.Severity) *auditv1.Verdict {
	var serious, minor, open []string
	for _, c := range checks {
		switch {
		case rules.Finding(c.Status) && c.Severity >= failOn:
			serious = append(serious, c.Id)
		case rules.Finding(c.Status):
			minor = append(minor, c.Id)
		case c.Status == auditv1.Status_STATUS_NOT_EVALUATED || c.Status == auditv1.Status_STATUS_ERROR:
			open = append(open, c.Id)
		}
	}
	v := &auditv1.Verdict{FailOn: failOn}
	switch {
	case len(serious) > 0:
		v.Status = auditv1.Status_STATUS_FAIL
		v.Text = fmt.Sprintf("finding at or above %s: %s", severityName(failOn), strings.Join(serious, ", "))
	case len(open) > 0:
		v.Status = auditv1.Status_STATUS_NOT_EVALUATED
		v.Text = "could not be evaluated: " + strings.Join(open, ", ")
	default:
		v.Status = auditv1.Status_STATUS_PASS
		v.Text = "no finding at or above " + severityName(failOn)
	}
	if len(minor) > 0 {
		v.Text += "; below it: " + strings.Join(minor, ", ")
	}
	return v
}

func resources(in rules.Input) []*auditv1.Resource {
	refs := rules.References(in)
	var list []*auditv1.Resource
	for _, r := range in.Inventory.Resources() {
		out := &auditv1.Resource{
			Resource: term.Printable(r.String()), Values: rules.Count(r.Values), Plaintext: rules.Count(r.Plaintext),
			Encrypted: rules.Count(r.Encrypted), Malformed: rules.Count(r.Malformed), Unknown: rules.Count(r.Unknown),
		}
		for _, c := range r.Groups() {
			g := group(c)
			// Another server has keys of its own, perhaps under the same names.
			if ref, ok := refs[c.Name]; ok && !r.Foreign {
				g.Stale = c.Stale(ref)
			}
			out.Groups = append(out.Groups, g)
		}
		list = append(list, out)
	}
	return list
}

func group(c *inventory.Count) *auditv1.Group {
	g := &auditv1.Group{
		Values: rules.Count(c.Values), Format: c.Format.String(), Name: term.Printable(c.Name), KeyId: term.Printable(c.KeyID),
		VaultKeyVersion: c.VaultVersion, Cluster: term.Printable(c.Cluster), Rest: c.Rest,
		Standing: c.Standing.String(), Opened: c.Opened,
	}
	if c.Problem != storedvalue.NoProblem {
		g.Problem = c.Problem.String()
		return g
	}
	if c.KeyID != "" {
		// As the API server's metrics show it, over the bytes that are stored.
		g.KeyIdHash = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(c.KeyID)))
	}
	if (c.Format == storedvalue.KMSv1 || c.Format == storedvalue.KMSv2) && !c.Rest {
		g.Envelope = c.Envelope.String()
	}
	return g
}
