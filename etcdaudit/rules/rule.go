// Package rules holds what the auditor checks, one rule a file. A rule is data
// and a pure function from what was counted to an outcome.
//
// A rule must never see a value, and never decide how its outcome is shown.
package rules

import (
	"math"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Input is everything that rules look at.
type Input struct {
	// Inventory is what was counted, judged by its EncryptionConfiguration if it
	// has one.
	Inventory *inventory.Inventory
	// CurrentKeyID is the key_id that values should have, or empty for the
	// newest in the store.
	CurrentKeyID string
}

// Rule is one check.
type Rule struct {
	// ID is EA- and a number, which is never given to another rule: EA-1xx is
	// about data, EA-4xx about configuration.
	ID          string
	Title       string
	Severity    auditv1.Severity
	Remediation string
	// Rewrites is set where the remediation rewrites objects through the API
	// server.
	Rewrites bool
	// Check must not change its input.
	Check func(Input) Outcome
}

// Outcome is how a check ended.
type Outcome struct {
	Status  auditv1.Status
	Summary string
	// Reason is for outcomes that are not applicable or not evaluated.
	Reason string
	// Count is the number of values that the finding is about; Objects are
	// those of them that are listed.
	Count   int64
	Objects []*auditv1.Object

	resources []*inventory.Resource // of these values
}

// All returns every rule in the order of the ids.
func All() []Rule {
	return []Rule{
		plaintextSecrets(),
		malformedValues(),
		unknownEncryption(),
		staleKeys(),
		plaintextOthers(),
		kmsV1Values(),
		plaintextThoughConfigured(),
		staleProviders(),
		encryptedUnconfigured(),
		unreadable(),
		secretsConfigured(),
		kmsV1Configured(),
	}
}

// Evaluate runs every rule.
func Evaluate(in Input) []*auditv1.Check {
	var checks []*auditv1.Check
	for _, r := range All() {
		o := r.Check(in)
		c := &auditv1.Check{
			Id: r.ID, Title: r.Title, Severity: r.Severity, Status: o.Status, Summary: o.Summary, Reason: o.Reason,
			Count: Count(o.Count), Objects: o.Objects,
		}
		if Finding(o.Status) {
			c.Remediation = r.remedy(in.Inventory, o.resources)
			c.ObjectsOmitted = Count(o.Count - int64(len(o.Objects)))
		}
		checks = append(checks, c)
	}
	return checks
}

// Finding reports whether a status is a finding that somebody should act on.
func Finding(s auditv1.Status) bool {
	return s == auditv1.Status_STATUS_FAIL || s == auditv1.Status_STATUS_WARN
}

// Count narrows a number of keys to what the report holds: etcd cannot store
// more.
func Count(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

func pass(summary string) Outcome {
	return Outcome{Status: auditv1.Status_STATUS_PASS, Summary: summary}
}

func notApplicable(reason string) Outcome {
	return Outcome{Status: auditv1.Status_STATUS_NOT_APPLICABLE, Reason: reason}
}

func notEvaluated(reason string) Outcome {
	return Outcome{Status: auditv1.Status_STATUS_NOT_EVALUATED, Reason: reason}
}

// empty is the outcome of every rule when nothing at all was found: a wrong
// prefix or the wrong etcd must not look like a clean one.
func empty(in Input) (Outcome, bool) {
	if in.Inventory.Keys > 0 {
		return Outcome{}, false
	}
	return notEvaluated("there is no key under " + in.Inventory.Prefix + "/: wrong etcd, or wrong --prefix? (/kubernetes.io on OpenShift)"), true
}
