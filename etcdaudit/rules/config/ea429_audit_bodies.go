package config

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func noAuditBodies() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-429", Title: "The audit log holds no contents of Secrets", Severity: check.High,
		Why:   "an audit log with the bodies of Secrets is a second, unencrypted store of them, which is shipped and kept elsewhere",
		Reads: "the level at which the audit policy records requests for Secrets, by verb: the first rule that matches decides",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeAudit),
	}
}

func judgeAudit(s apiServer) check.Result {
	evidence := s.given("audit-policy-file", "audit-log-path")
	switch p := s.Audit; {
	case p == nil:
		return check.Inapplicable("there is no audit policy, and nothing is recorded")
	case s.Config.AuditLog == "" && s.Config.AuditWebhook == "":
		return check.Inapplicable("the audit policy records to no log and no webhook")
	case p.Err != "":
		return with(check.Unevaluated("", fmt.Sprintf("%s: %s", p.Path, p.Err), "run etcdaudit as root; where the file is refused, correct it"), evidence)
	case len(p.Levels) == 0:
		return with(check.Unevaluated("", "what "+p.Path+" says of Secrets is not known", ""), evidence)
	default:
		var bodies []string
		for _, l := range p.Levels {
			evidence = append(evidence, check.Evidence{Source: fmt.Sprintf("%s, rule %d", p.Path, l.Rule), Seen: l.Verbs + ": " + l.Level})
			if recordsBody(l) {
				bodies = append(bodies, fmt.Sprintf("%s at %s (rule %d)", l.Verbs, l.Level, l.Rule))
			}
		}
		if len(bodies) > 0 {
			return with(check.Failed("", "contents of Secrets are recorded: "+strings.Join(bodies, "; "), "put a rule with level: Metadata for secrets (and configmaps, tokenreviews) first in "+p.Path+", restart the API servers, and treat the log and its copies as Secrets"), evidence)
		}
	}
	return with(check.Passed("", "requests for Secrets are recorded without their contents"), evidence)
}

// recordsBody reports whether a level records a Secret: in the answer of any verb, or in
// the request of one that writes.
func recordsBody(l facts.AuditLevel) bool {
	writes := strings.Contains(l.Verbs, "create") || strings.Contains(l.Verbs, "update") || strings.Contains(l.Verbs, "patch")
	return l.Level == "RequestResponse" || l.Level == "Request" && writes
}
