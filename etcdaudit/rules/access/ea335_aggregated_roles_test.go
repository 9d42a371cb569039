package access_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

func TestAggregatedRoles(t *testing.T) {
	differing := facts.Access{Aggregations: []rbac.Aggregation{{ClusterRole: "edit", Stored: "nothing", Selected: "get, list of all"}}}
	judge(t, "EA-335",
		testCase{"as they select", reading(), check.Pass, "gives what it selects", nil},
		testCase{"another right", differing, check.Warn, "than they select: 1", []string{"ClusterRole edit: stored: nothing; selected: get, list of all"}},
	)
}
