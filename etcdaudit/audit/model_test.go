package audit

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func TestEveryStatusAndSeverityIsInTheReport(t *testing.T) {
	seen := map[auditv1.Status]bool{}
	for s := check.NotApplicable; s <= check.Fail; s++ {
		if got := status(s); got == 0 || seen[got] {
			t.Errorf("%v: %v", s, got)
		} else {
			seen[got] = true
		}
	}
	for s := check.Info; s <= check.Critical; s++ {
		if got := severity(s); int(got) != int(s) {
			t.Errorf("%v: %v", s, got)
		}
	}
}
