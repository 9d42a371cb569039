package audit

import (
	"context"
	"maps"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Verification says what values are opened with. The caller clears it.
type Verification struct {
	// Sources has DEK sources unwrapped by Unwrappers, one after the other.
	Sources    *verify.Sources
	Unwrappers []*verify.Pacer
	// Keys are those of the EncryptionConfiguration.
	Keys []*keyring.Key
	// Versions are the versions of Vault keys that are known, by key_id.
	Versions map[string]facts.KeyVersion
}

// opening opens the records of one source, and counts what becomes of them by layer. nil opens
// nothing.
type opening struct {
	verifier *verify.Verifier
	tallies  map[record.Layer]*verify.Tally
}

func (v *Verification) open(scopes []record.Scope) *opening {
	if v == nil {
		return nil
	}
	c := verify.Config{Sources: v.Sources, Keys: v.Keys, Prefixes: verify.Prefixes(strings.TrimSuffix(scopes[0].Prefix, "/"))}
	o := &opening{verifier: verify.NewVerifier(c), tallies: map[record.Layer]*verify.Tally{}}
	for _, scope := range scopes {
		o.tallies[scope.Layer] = verify.NewTally()
	}
	return o
}

// records opens records; the results are valid until the next call.
func (o *opening) records(ctx context.Context, records []record.Record) []verify.Result {
	if o == nil {
		return nil
	}
	return o.verifier.Open(ctx, records)
}

// add counts the result of a record, for its layer and for the group that it was counted in.
func (o *opening) add(rec record.Record, r verify.Result, group *inventory.Count) {
	o.tallies[rec.Origin.Layer].Add(rec, r)
	if group == nil || rec.Head {
		return
	}
	one := int64(1)
	if rec.Retracted {
		one = -1
	}
	switch {
	case r.Outcome == verify.Opened:
		group.Decrypted += one
	case r.Outcome.Undecryptable():
		group.Undecryptable += one
	}
}

func (o *opening) clear() {
	if o != nil {
		o.verifier.Clear()
	}
}

// settle completes what was counted when all sources were read: another one can have shown why
// a DEK source does not open.
func (v *Verification) settle(f *facts.Facts) {
	if v == nil {
		return
	}
	changed := v.Sources.Changed()
	for _, s := range f.Stores {
		s.Verified.Settle(changed, kinds(f.Stores, s.Scope.Store()))
	}
	f.Unwrapping = &facts.Unwrapping{Sources: v.Sources.Len(), Keys: v.Versions}
	for _, u := range v.Unwrappers {
		f.Unwrapping.Asked = append(f.Unwrapping.Asked, u.Asked())
	}
}

// kinds are those of the custom resources of one cluster, by path. What is live counts before what
// is older.
func kinds(stores []facts.Store, of string) map[string]string {
	all := map[string]string{}
	for _, live := range []bool{false, true} {
		for _, s := range stores {
			if s.Scope.Store() == of && (s.Scope.Layer == record.Live) == live {
				maps.Copy(all, s.Verified.Defined)
			}
		}
	}
	return all
}

// addVerified puts into a report what became of the values that were opened.
func addVerified(r *auditv1.Report, f facts.Facts) {
	if f.Unwrapping == nil {
		return
	}
	r.Verification = &auditv1.Verification{DekSources: count(int64(f.Unwrapping.Sources))}
	for _, a := range f.Unwrapping.Asked {
		r.Verification.Unwrappers = append(r.Verification.Unwrappers, &auditv1.Unwrapper{
			Name: term.Printable(a.Name), Requests: count(int64(a.Requests)), Opened: count(int64(a.Opened)), Unanswered: count(int64(a.Unanswered)),
		})
	}
	for _, s := range f.Stores {
		r.Verification.Verified = append(r.Verification.Verified, verified(s))
		if s.Restorable() {
			r.Verification.Restores = append(r.Verification.Restores, restore(s, *f.Unwrapping))
		}
	}
}

func verified(s facts.Store) *auditv1.Verified {
	v := s.Verified
	out := &auditv1.Verified{
		Scope: s.Scope.ID(), Values: count(v.Values), Opened: count(v.Outcomes[verify.Opened]), Undecryptable: count(v.Undecryptable()), NotEvaluated: count(v.Outcomes[verify.NotEvaluated]),
		Same: count(v.Identities[verify.Same]), SameName: count(v.Identities[verify.SameName]), Different: count(v.Identities[verify.Differs]),
	}
	for _, o := range verify.Outcomes() {
		if n := v.Outcomes[o]; n > 0 {
			out.Outcomes = append(out.Outcomes, &auditv1.OutcomeCount{Outcome: o.String(), Values: count(n)})
		}
	}
	return out
}

func restore(s facts.Store, u facts.Unwrapping) *auditv1.Restore {
	v := s.Verified
	out := &auditv1.Restore{
		Scope: s.Scope.ID(), Unread: s.Unread(), Values: count(v.Values), Opened: count(v.Outcomes[verify.Opened]), Undecryptable: count(v.Undecryptable()), NotEvaluated: count(v.Outcomes[verify.NotEvaluated]),
	}
	for _, n := range s.Requirements(u) {
		out.Needs = append(out.Needs, &auditv1.Requirement{What: n.What, Value: n.Value, Why: n.Why})
	}
	return out
}
