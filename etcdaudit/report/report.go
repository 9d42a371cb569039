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
	"github.com/sealproof/sealproof/etcdaudit/printable"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// New evaluates every rule and builds the report. scope says where the input
// came from; its counts are filled in here.
func New(scope *auditv1.Scope, tool *auditv1.Tool, in rules.Input, failOn auditv1.Severity) *auditv1.Report {
	scope.KeysRead = rules.Count(in.Inventory.Keys)
	scope.ValueBytes = in.Inventory.Bytes
	scope.Text = fmt.Sprintf("%s at revision %d of etcd cluster %s (%s), keys under %s",
		scope.Layer, scope.Revision, scope.ClusterId, strings.Join(scope.Endpoints, ", "), scope.Prefix)
	checks := rules.Evaluate(in)
	return &auditv1.Report{
		Scope:        scope,
		Verdict:      verdict(checks, failOn),
		Checks:       checks,
		Resources:    resources(in),
		NotEvaluated: notEvaluated(in.Inventory),
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

// notEvaluated lists what else the etcd holds, and where values survive that a
// scan of live values does not see.
func notEvaluated(inv *inventory.Inventory) []*auditv1.Layer {
	layer := func(name, reason string) *auditv1.Layer {
		return &auditv1.Layer{Name: name, Status: auditv1.Status_STATUS_NOT_EVALUATED, Reason: reason}
	}
	layers := []*auditv1.Layer{
		layer("history (older revisions)", "etcd keeps overwritten and deleted values until they are compacted"),
		layer("free pages of the database file", "compacted values stay readable in the file of every member until it is defragmented"),
		layer("write-ahead log", "every write stays in its segments until later traffic has replaced them"),
		layer("snapshots and backups", "a copy keeps what was plaintext when it was taken, free pages included"),
	}
	switch elsewhere := "keys outside " + printable.Text(inv.Prefix) + "/"; {
	case inv.Outside > 0:
		layers = append(layers, layer(elsewhere, fmt.Sprintf("%d in this etcd, of another program or another API server: scan their prefix as well (--prefix)", inv.Outside)))
	case inv.Outside < 0:
		layers = append(layers, layer(elsewhere, "this user may not count them: whether there are any is not known"))
	}
	return layers
}

func resources(in rules.Input) []*auditv1.Resource {
	refs := rules.References(in)
	var list []*auditv1.Resource
	for _, r := range in.Inventory.Resources() {
		out := &auditv1.Resource{
			Resource: printable.Text(r.String()), Values: rules.Count(r.Values), Plaintext: rules.Count(r.Plaintext),
			Encrypted: rules.Count(r.Encrypted), Malformed: rules.Count(r.Malformed), Unknown: rules.Count(r.Unknown),
		}
		for _, c := range r.Groups() {
			out.Groups = append(out.Groups, group(c, refs))
		}
		list = append(list, out)
	}
	return list
}

func group(c *inventory.Count, refs map[string]inventory.Reference) *auditv1.Group {
	g := &auditv1.Group{
		Values: rules.Count(c.Values), Format: c.Format.String(), Name: printable.Text(c.Name), KeyId: printable.Text(c.KeyID),
		VaultKeyVersion: c.VaultVersion, Cluster: printable.Text(c.Cluster), Rest: c.Rest,
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
	if ref, ok := refs[c.Name]; ok {
		g.Stale = c.Stale(ref)
	}
	return g
}
