// Package check is the one engine for what Sealproof checks: doctor's checks of a
// node and the auditor's rules alike. A rule is data and a pure function from facts
// to results. The package never knows what the facts are, nor how a result is shown.
package check

import (
	"cmp"
	"fmt"
	"slices"
)

// Status is how a check of one target ended. The statuses are in the order in which
// they count, see Worst.
type Status uint8

const (
	// NotApplicable: the check has no object here; Reason is the fact that makes it so.
	NotApplicable Status = iota + 1
	// Pass: it is as it should be.
	Pass
	// Accepted: a finding that the operator has accepted; Reason says why.
	Accepted
	// NotEvaluated: the check could not be made; Reason says why.
	NotEvaluated
	// Error: the check itself went wrong; Reason says how.
	Error
	// Warn: it works today, and should be changed.
	Warn
	// Fail: it does not work, or endangers data or a key.
	Fail
)

// String returns the status as reports write it: "not evaluated".
func (s Status) String() string {
	switch s {
	case Pass:
		return "pass"
	case NotApplicable:
		return "not applicable"
	case Accepted:
		return "accepted"
	case NotEvaluated:
		return "not evaluated"
	case Error:
		return "error"
	case Warn:
		return "warn"
	case Fail:
		return "fail"
	default:
		return "unknown"
	}
}

// MarshalText returns String: so a status stands in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (s *Status) UnmarshalText(text []byte) error {
	for *s = NotApplicable; *s <= Fail; *s++ {
		if s.String() == string(text) {
			return nil
		}
	}
	return fmt.Errorf("%q is no status of a check", text)
}

// Finding reports whether there is something to be done.
func (s Status) Finding() bool { return s == Warn || s == Fail }

// Severity is how much a finding of a rule matters.
type Severity uint8

// Severities, from the least. The zero value is that of rules that have none.
const (
	Info Severity = iota + 1
	Low
	Medium
	High
	Critical
)

// String returns the severity as reports write it.
func (s Severity) String() string {
	names := [...]string{"unspecified", "info", "low", "medium", "high", "critical"}
	return names[min(int(s), len(names)-1)]
}

// Object names one thing that a finding is about.
type Object struct {
	Resource, Namespace, Name string
	// Detail is what is wrong with it, where that differs from object to object.
	Detail string
	// Revision is the revision of etcd that wrote it; 0 where there is none.
	Revision int64
	// Origin is where in a file it was found; nil for none.
	Origin *Origin
}

// Origin is a place in a file.
type Origin struct {
	Layer, File string
	Offset      int64 // in bytes
	// Index and Term are those of a raft entry; 0 for none.
	Index, Term uint64
}

// Evidence is one thing that was looked at, and what was seen there.
type Evidence struct {
	// Source is where: a file, an endpoint and revision, a process.
	Source string
	// Seen is what was seen there. It never holds a secret.
	Seen string
}

// Result is what a rule says about one target.
type Result struct {
	// Target is what was checked: a file, an address, a resource. It is empty where
	// the rule has one target only.
	Target string
	// Identity names the target across reports, where Target may be a name within one.
	Identity []string
	Status   Status
	// Summary is what was found, in one line.
	Summary string
	// Reason is why the check was not made: for NotApplicable, Accepted,
	// NotEvaluated and Error.
	Reason string
	// Remedy is what to do about a finding.
	Remedy string
	// Evidence is what the result rests on.
	Evidence []Evidence
	// Count is how many objects the finding is about; Objects are those of them
	// that are listed.
	Count   int64
	Objects []Object
	// Expected is set for a check that could not be made by design, such as one that
	// needs more rights than a good configuration gives: that is no shortcoming.
	Expected bool
}

// Need is something that must be there before a rule can be evaluated. ok is true if
// it is; else the result says why the rule does not apply or was not evaluated.
type Need[F any] func(F) (r Result, ok bool)

// Rule is one check. F is the type of the facts that it looks at.
type Rule[F any] struct {
	// ID is letters and a number, such as "EA-101", which is never given to another
	// rule.
	ID    string
	Title string
	// Severity is how much a finding matters.
	Severity Severity
	// Why says what follows from a finding, and Reads what is looked at.
	Why, Reads string
	// Needs are asked in order before Run. The first that is not met is the result.
	Needs []Need[F]
	// Run must not change the facts. It returns one result for each target, and none
	// where there is no target.
	Run func(F) []Result
}

// Check is a rule and what came of it.
type Check struct {
	ID, Title, Why, Reads string
	Severity              Severity
	Results               []Result
}

// Evaluate evaluates every rule, in the order given.
func Evaluate[F any](rules []Rule[F], facts F) []Check {
	checks := make([]Check, 0, len(rules))
	for _, r := range rules {
		checks = append(checks, Check{ID: r.ID, Title: r.Title, Why: r.Why, Reads: r.Reads, Severity: r.Severity, Results: r.evaluate(facts)})
	}
	return checks
}

func (r Rule[F]) evaluate(facts F) []Result {
	for _, need := range r.Needs {
		if result, ok := need(facts); !ok {
			return []Result{result}
		}
	}
	return r.Run(facts)
}

// Subject is one target with the facts about it.
type Subject[G any] struct {
	// Target and Identity go into every result, before what it names itself.
	Target   string
	Identity []string
	Facts    G
	// Evidence goes into every result.
	Evidence []Evidence
}

// ForEach returns a rule that evaluates r, which is about one subject, for all of them.
func ForEach[F, G any](r Rule[G], subjects func(F) []Subject[G]) Rule[F] {
	run := func(facts F) (all []Result) {
		for _, s := range subjects(facts) {
			for _, result := range r.evaluate(s.Facts) {
				result.Identity = slices.Concat(s.Identity, result.Identity)
				if result.Target == "" {
					result.Target = s.Target
				} else {
					result.Target = s.Target + ": " + result.Target
				}
				result.Evidence = append(result.Evidence, s.Evidence...)
				all = append(all, result)
			}
		}
		return all
	}
	return Rule[F]{ID: r.ID, Title: r.Title, Severity: r.Severity, Why: r.Why, Reads: r.Reads, Run: run}
}

// Worst returns the status that counts for all results together: a finding before
// what could not be looked at, that before all else.
func Worst(results []Result) Status {
	if len(results) == 0 {
		return NotApplicable
	}
	return slices.MaxFunc(results, func(a, b Result) int { return cmp.Compare(a.Status, b.Status) }).Status
}

// Passed returns the result of a target that is as it should be.
func Passed(target, summary string) Result {
	return Result{Target: target, Status: Pass, Summary: summary}
}

// Warned returns the result of a target that works and should be changed.
func Warned(target, summary, remedy string) Result {
	return Result{Target: target, Status: Warn, Summary: summary, Remedy: remedy}
}

// Failed returns the result of a target that is not as it has to be.
func Failed(target, summary, remedy string) Result {
	return Result{Target: target, Status: Fail, Summary: summary, Remedy: remedy}
}

// Unevaluated returns the result of a target that could not be looked at. remedy is
// what to do so that it can be; empty where the reason says it.
func Unevaluated(target, reason, remedy string) Result {
	return Result{Target: target, Status: NotEvaluated, Reason: reason, Remedy: remedy}
}

// Inapplicable returns the result of a rule that has no object here.
func Inapplicable(reason string) Result {
	return Result{Status: NotApplicable, Reason: reason}
}
