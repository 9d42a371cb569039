// Package acceptance applies risks that were accepted in writing to a report. It works on the
// report alone, so it serves one that was stored as well as a new one, and never removes
// anything: what was accepted is still shown, and who accepted it until when.
package acceptance

import (
	"cmp"
	"time"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Entry is one accepted risk.
type Entry struct {
	// Check is the id of a check.
	Check string
	// Object is what of the check is accepted: the target of a result, or an object of one
	// ("default/db", "secrets default/db"). Fingerprint names a result or an object as the
	// report does; where it is set it decides, and Object is for readers.
	Object, Fingerprint string
	// Node is the node that it is about; empty for all that a report is about.
	Node string
	// Owner answers for the risk, and Reason and CompensatingControl say why it can be borne.
	Owner, Reason, CompensatingControl string
	// Expires is the last day on which it is in force, at midnight UTC.
	Expires time.Time
	// Source is the file and line that it was read from.
	Source string
}

// dateLayout is how a day is written.
const dateLayout = time.DateOnly

// expired reports whether the last day is over, in UTC.
func (e Entry) expired(now time.Time) bool { return !now.Before(e.Expires.AddDate(0, 0, 1)) }

// name is how a result of EA-701 or EA-702 calls it.
func (e Entry) name() string {
	name := e.Check + " " + cmp.Or(e.Object, e.Fingerprint)
	if e.Node != "" {
		name += " on " + e.Node
	}
	return name
}

// The checks of the file of accepted risks itself.
const (
	expiredID = "EA-701"
	unusedID  = "EA-702"
)

// Checks describes the checks that Apply adds to a report, without results.
func Checks() []*auditv1.Check {
	return []*auditv1.Check{
		{
			Id: expiredID, Title: "No accepted risk has expired", Severity: auditv1.Severity_SEVERITY_MEDIUM,
			Why:   "the risk was accepted until a date that is over: its owner has not said that it can still be borne, and the finding counts again",
			Reads: "the last day of each entry in the file of accepted risks, beside the time of the audit, in UTC",
		},
		{
			Id: unusedID, Title: "Every accepted risk is still there", Severity: auditv1.Severity_SEVERITY_LOW,
			Why:   "an entry without a finding is one that was fixed, or that names the wrong object; it would accept the risk in silence if that came back",
			Reads: "the entries of the file of accepted risks, beside the findings of the checks that were made",
		},
	}
}
