package doctor

import (
	"slices"

	"github.com/sealproof/sealproof/internal/check"
)

// Result is one check of one thing.
type Result struct {
	// ID is KD- and a number, which is never given to another check: KD-1xx is
	// about the configuration and the node, 2xx the socket, 3xx credential
	// files, 4xx reaching Vault, 5xx what Vault allows, 6xx the key, 7xx the API
	// server.
	ID      string       `json:"id"`
	Title   string       `json:"title"`
	Subject string       `json:"subject,omitempty"`
	Outcome check.Status `json:"outcome"`
	// Found is what was found; for NotEvaluated the reason.
	Found string `json:"found"`
	// Why says what follows from a bad outcome, Do what to do; both are empty
	// for Pass.
	Why string `json:"why,omitempty"`
	Do  string `json:"do,omitempty"`
	// Beyond is set for a check that the plugin's rights do not allow, by design.
	// That it was not made is no shortcoming.
	Beyond bool `json:"beyond,omitempty"`
}

// Examine evaluates every rule, in the order of the ids.
func Examine(f Facts) []Result {
	var results []Result
	for _, c := range check.Evaluate(rules(), f) {
		for _, r := range c.Results {
			row := Result{ID: c.ID, Title: c.Title, Subject: r.Target, Outcome: r.Status, Found: r.Summary, Beyond: r.Expected}
			if r.Status == check.NotEvaluated {
				row.Found = r.Reason
			}
			if r.Status != check.Pass {
				row.Why, row.Do = c.Why, r.Remedy
			}
			results = append(results, row)
		}
	}
	return results
}

func rules() []check.Rule[Facts] {
	return slices.Concat(nodeRules(), socketRules(), fileRules(), vaultRules(), rightsRules(), keyRules(), apiServerRules())
}

// ExitStatus is that of a command that shows results: 1 if anything failed, else
// 2 if something could not be evaluated that should have been, else 0.
func ExitStatus(results []Result) int {
	status := 0
	for _, r := range results {
		switch {
		case r.Outcome == check.Fail:
			return 1
		case r.Outcome == check.NotEvaluated && !r.Beyond:
			status = 2
		}
	}
	return status
}
