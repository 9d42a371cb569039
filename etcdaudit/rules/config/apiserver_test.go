package config_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

// A flag that was not read looks like one that is not set: no rule may judge the rest.
func TestNothingIsSaidOfAnIncompleteCommandLine(t *testing.T) {
	for _, id := range []string{"EA-421", "EA-422", "EA-423", "EA-424", "EA-426", "EA-427", "EA-428", "EA-429", "EA-430", "EA-431"} {
		n := controlplane.New(t)
		n.APIServer().NotEvaluated = "$KUBE_ARGS is in an EnvironmentFile that could not be read"
		n.APIServer().Config.Refused = "unknown shorthand flag"
		for _, r := range controlplane.Results(t, id, n.Facts) {
			if r.Status != check.NotEvaluated || !strings.Contains(r.Reason, "$KUBE_ARGS") || r.Remedy == "" {
				t.Errorf("%s: %v: %s%s", id, r.Status, r.Summary, r.Reason)
			}
		}
	}
}
