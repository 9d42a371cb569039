package audit

import (
	"math"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// model puts the report together. What comes from etcd, a node or an archive is made printable
// before it enters it: a name could hold commands for the reader's terminal.
func model(f facts.Facts, checks []check.Check, o Options) *auditv1.Report {
	r := &auditv1.Report{Tool: o.Tool}
	for _, s := range f.Stores {
		r.Scopes = append(r.Scopes, scope(s, f.EncryptionFile))
	}
	if f.Wire != nil {
		addWire(r, f.Wire)
	}
	if f.Host != nil {
		addHost(r, f.Host, o.Archive)
	}
	r.Certificates = certificates(f)
	r.Readers = readers(f.Access)
	for _, c := range checks {
		one := Checked(c)
		for _, result := range one.Results {
			if f.Host != nil && rules.Of(c.ID).Host {
				result.Node = term.Printable(f.Host.Node)
			}
		}
		r.Checks = append(r.Checks, one)
	}
	r.Runbook = steps(f.Stores)
	addVerified(r, f)
	for _, n := range f.NotRead() {
		r.NotEvaluated = append(r.NotEvaluated, &auditv1.Layer{
			Id: n.ID, Name: n.Name, Status: auditv1.Status_STATUS_NOT_EVALUATED, Reason: n.Reason, ClearedBy: n.ClearedBy, Store: n.Store, Scope: n.Scope,
		})
	}
	outcome.Settle(r, outcome.Options{FailOn: o.FailOn, Strict: o.Strict})
	return r
}

// scopeOf says what was read.
func scopeOf(s record.Scope) *auditv1.Scope {
	out := &auditv1.Scope{
		Id: s.ID(), Text: term.Printable(s.String()), Layer: string(s.Layer), LayerName: s.Layer.Name(),
		Revision: s.Revision, Member: s.Member, Store: s.Store(), Time: timestamppb.New(s.Time),
		ClusterId: s.ClusterID, StandIn: s.StandIn, Prefix: s.Prefix, KeysCounted: count(s.Keys), Copy: s.Copy,
	}
	for _, from := range s.Sources {
		out.Sources = append(out.Sources, &auditv1.Source{Name: from.Name, Hash: from.Hash, Bytes: from.Bytes})
	}
	return out
}

func scope(s facts.Store, encryptionFile string) *auditv1.Scope {
	out := scopeOf(s.Scope)
	out.KeysRead, out.ValueBytes = count(s.Inventory.Keys), s.Inventory.Bytes
	out.Fragments, out.FragmentBytes, out.Damaged = count(s.Remains.Fragments), s.Remains.FragmentBytes, count(s.Remains.Damaged)
	if encryptionFile != "" {
		out.EncryptionConfigFiles = []string{encryptionFile}
	}
	refs := s.References()
	for _, r := range s.Inventory.Resources() {
		res := &auditv1.Resource{
			Resource: r.String(), Values: count(r.Values), Plaintext: count(r.Plaintext),
			Encrypted: count(r.Encrypted), Malformed: count(r.Malformed), Unknown: count(r.Unknown),
			Ruled: r.Ruled, Entry: term.Printable(r.Rule.Entry),
		}
		for _, p := range r.Rule.Providers {
			res.Providers = append(res.Providers, term.Printable(p.String()))
		}
		for _, c := range r.Groups() {
			g := group(c)
			if s.Clock != nil && c.OldestRevision > 0 {
				g.OldestWritten = bounds(s.Clock.Written(c.OldestRevision))
			}
			// Another server has keys of its own, perhaps under the same names.
			if ref, ok := refs[c.Name]; ok && !r.Foreign {
				g.Stale = c.Stale(ref)
			}
			res.Groups = append(res.Groups, g)
		}
		out.Resources = append(out.Resources, res)
	}
	return out
}

func group(c *inventory.Count) *auditv1.Group {
	g := &auditv1.Group{
		Values: count(c.Values), Protection: protection(c.Group), Format: c.Format.String(), Name: term.Printable(c.Name), KeyId: term.Printable(c.KeyID),
		VaultKeyVersion: c.VaultVersion, Cluster: term.Printable(c.Cluster), Rest: c.Rest,
		Drift: c.Drift.String(), AsConfigured: c.Drift == drift.AsConfigured, Opened: c.Opened,
		OldestRevision: c.OldestRevision, NewestRevision: c.NewestRevision, Unseeded: c.Unseeded,
	}
	if c.Problem != storedvalue.NoProblem {
		g.Problem = c.Problem.String()
		return g
	}
	if c.KeyID != "" {
		// As the API server's metrics show it, over the bytes that are stored.
		g.KeyIdHash = keyjoin.Hash(c.KeyID)
	}
	if (c.Format == storedvalue.KMSv1 || c.Format == storedvalue.KMSv2) && !c.Rest {
		g.Envelope = c.Envelope.String()
	}
	return g
}

func protection(g inventory.Group) auditv1.Protection {
	switch {
	case g.Format.Plaintext():
		return auditv1.Protection_PROTECTION_PLAINTEXT
	case g.Problem != storedvalue.NoProblem:
		return auditv1.Protection_PROTECTION_MALFORMED
	case g.Format == storedvalue.UnknownEncryption:
		return auditv1.Protection_PROTECTION_UNKNOWN
	default:
		return auditv1.Protection_PROTECTION_ENCRYPTED
	}
}

// Checked puts a check and its results into the report's form. Its status is settled later.
func Checked(c check.Check) *auditv1.Check {
	out := &auditv1.Check{Id: c.ID, Title: c.Title, Severity: severity(c.Severity), Why: c.Why, Reads: c.Reads}
	for _, r := range c.Results {
		out.Results = append(out.Results, result(c.ID, r))
	}
	return out
}

func result(id string, r check.Result) *auditv1.Result {
	out := &auditv1.Result{
		Target: term.Printable(r.Target), Identity: allPrintable(r.Identity), Status: status(r.Status),
		Summary: term.Printable(r.Summary), Reason: term.Printable(r.Reason), Remediation: term.Printable(r.Remedy),
		Count: count(r.Count), ObjectsOmitted: count(r.Count - int64(len(r.Objects))), Optional: r.Status == check.NotEvaluated && r.Expected,
	}
	for _, e := range r.Evidence {
		out.Evidence = append(out.Evidence, &auditv1.Evidence{Source: term.Printable(e.Source), Seen: term.Printable(e.Seen)})
	}
	for _, o := range r.Objects {
		object := objectOf(o)
		object.Fingerprint = outcome.Fingerprint(id, r.Identity, o.Resource, o.Namespace, o.Name)
		out.Objects = append(out.Objects, object)
	}
	if r.Status.Finding() || r.Status == check.Accepted {
		out.Fingerprint = outcome.Fingerprint(id, r.Identity)
	}
	return out
}

// allPrintable is what may be shown of each of some texts.
func allPrintable(texts []string) (all []string) {
	for _, text := range texts {
		all = append(all, term.Printable(text))
	}
	return all
}

// status and severity go by name: the engine's and the report's are the same words.
func status(s check.Status) auditv1.Status {
	return auditv1.Status(auditv1.Status_value["STATUS_"+strings.ToUpper(strings.ReplaceAll(s.String(), " ", "_"))])
}

func severity(s check.Severity) auditv1.Severity {
	return auditv1.Severity(auditv1.Severity_value["SEVERITY_"+strings.ToUpper(s.String())])
}

// count narrows a number to what the report holds: etcd cannot store more keys.
func count(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }
