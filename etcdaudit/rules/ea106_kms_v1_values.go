package rules

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// kmsV1Facts is what is wrong with KMS v1 (k8s.io/apiserver: the feature gate
// KMSv1, and envelope.go, which makes a data key for each write).
const kmsV1Facts = "KMS v1 is deprecated, and off by default since Kubernetes 1.29; each value has a data key of its own, for which an API server asks the plugin"

func kmsV1Values() Rule {
	return Rule{
		ID: "EA-106", Title: "No value is encrypted by KMS v1", Severity: auditv1.Severity_SEVERITY_LOW,
		Remediation: "put a provider with apiVersion v2 before the one of v1, rewrite the objects through the API server, and remove v1 when no value, no retained revision and no backup needs it",
		Rewrites:    true,
		Check: func(in Input) Outcome {
			if o, ok := empty(in); ok {
				return o
			}
			f := find(in, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				return term.Printable(c.Name), c.Format == storedvalue.KMSv1
			})
			if f.values == 0 {
				return pass("no value is of a KMS v1 provider")
			}
			return f.outcome(auditv1.Status_STATUS_WARN, fmt.Sprintf("%s: %s. %s", values(f.values), strings.Join(f.per, ", "), kmsV1Facts))
		},
	}
}
