package doctor

// Outcome is how a check ended.
type Outcome string

// Outcomes, from good to bad.
const (
	Pass Outcome = "pass"
	// NotEvaluated says why a check could not be made.
	NotEvaluated Outcome = "not evaluated"
	// Warn is for what works today, and should be changed.
	Warn Outcome = "warn"
	// Fail is for what does not work, or endangers data or the key.
	Fail Outcome = "fail"
)

// Result is one check of one thing.
type Result struct {
	// ID is KD- and a number, which is never given to another check: KD-1xx is
	// about the configuration and the node, 2xx the socket, 3xx credential
	// files, 4xx reaching Vault, 5xx what Vault allows, 6xx the key, 7xx the API
	// server.
	ID      string  `json:"id"`
	Title   string  `json:"title"`
	Subject string  `json:"subject,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Found is what was found; for NotEvaluated the reason.
	Found string `json:"found"`
	// Why says what follows from a bad outcome, Do what to do; both are empty
	// for Pass.
	Why string `json:"why,omitempty"`
	Do  string `json:"do,omitempty"`
	// Beyond is set for what the plugin's own rights do not suffice to see, by
	// design. That such a check was not made is no shortcoming.
	Beyond bool `json:"beyond,omitempty"`
}

// finding is what a check says about one thing.
type finding struct {
	subject string
	outcome Outcome
	found   string
	do      string
	beyond  bool
}

// check is one question that may be asked of several things.
type check struct {
	id    string
	title string
	why   string
	run   func(Facts) []finding
}

// Examine runs every check, in the order of the ids.
func Examine(f Facts) []Result {
	var results []Result
	for _, c := range checks() {
		for _, found := range c.run(f) {
			r := Result{ID: c.id, Title: c.title, Subject: found.subject, Outcome: found.outcome, Found: found.found, Beyond: found.beyond}
			if found.outcome != Pass {
				r.Why, r.Do = c.why, found.do
			}
			results = append(results, r)
		}
	}
	return results
}

func checks() []check {
	var all []check
	for _, group := range [][]check{nodeChecks(), socketChecks(), fileChecks(), vaultChecks(), rightsChecks(), keyChecks(), apiServerChecks()} {
		all = append(all, group...)
	}
	return all
}

// ExitStatus is that of a command that shows results: 1 if anything failed, else
// 2 if something could not be evaluated that should have been, else 0.
func ExitStatus(results []Result) int {
	status := 0
	for _, r := range results {
		switch {
		case r.Outcome == Fail:
			return 1
		case r.Outcome == NotEvaluated && !r.Beyond:
			status = 2
		}
	}
	return status
}

func pass(subject, found string) finding {
	return finding{subject: subject, outcome: Pass, found: found}
}

func warn(subject, found, do string) finding {
	return finding{subject: subject, outcome: Warn, found: found, do: do}
}

func fail(subject, found, do string) finding {
	return finding{subject: subject, outcome: Fail, found: found, do: do}
}

func notEvaluated(subject, reason, do string) finding {
	return finding{subject: subject, outcome: NotEvaluated, found: reason, do: do}
}
