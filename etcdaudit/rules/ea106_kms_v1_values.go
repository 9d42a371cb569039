package rules

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/printable"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// kmsV1Facts is what is wrong with KMS v1 (k8s.io/apiserver: the feature gate
// KMSv1, and envelope.go, which makes a data key for each write).
const kmsV1Facts = "KMS v1 is deprecated, and off by default since Kubernetes 1.29; each value has a data key of its own, for which an API server asks the plugin"

func kmsV1Values() Rule {
	return Rule{
		ID: "EA-106", Title: "No value is encrypted by KMS v1", Severity: auditv1.Severity_SEVERITY_LOW,
		Remediation: "put a provider with apiVersion v2 before the one of v1, rewrite the objects through the API server, and remove v1 when no value, no retained revision and no backup needs it",
		Check: func(in Input) Outcome {
			if o, ok := empty(in); ok {
				return o
			}
			var n int64
			var resources []string
			for _, r := range in.Inventory.Resources() {
				var of int64
				for _, c := range r.Groups() {
					if c.Format == storedvalue.KMSv1 {
						of += c.Values
					}
				}
				if of > 0 {
					n += of
					resources = append(resources, fmt.Sprintf("%s (%d of %d)", printable.Text(r.String()), of, r.Values))
				}
			}
			if n == 0 {
				return pass("no value is of a KMS v1 provider")
			}
			return Outcome{
				Status: auditv1.Status_STATUS_WARN, Count: n,
				Summary: fmt.Sprintf("%s: %s. %s", values(n), strings.Join(resources, ", "), kmsV1Facts),
			}
		},
	}
}
