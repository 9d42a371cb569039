package access_test

import (
	"fmt"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func TestAllSecrets(t *testing.T) {
	single := operator
	single.Names = []string{"licence"}
	pretender, rebound, renamed := namespaces, namespaces, namespaces
	pretender.Subject.Namespace = "app"
	rebound.Role = "ClusterRole cluster-admin"
	renamed.Binding = "ClusterRoleBinding other"
	judge(t, "EA-333",
		testCase{"a new cluster", reading(), check.Pass, "only the control plane's own", nil},
		testCase{"rights in a namespace, and on one name", reading(team, single), check.Pass, "3 in all", nil},
		testCase{"those of EA-331 and EA-332 are not said again", reading(to("Group", "", "system:authenticated"), to("ServiceAccount", "app", "default")), check.Pass, "3 in all", nil},
		testCase{"an operator", reading(operator), check.Warn, "1 subject beyond", []string{"ServiceAccount vault/operator: get, list everywhere by ClusterRoleBinding operator (ClusterRole operator)"}},
		testCase{"another subject of a known binding", reading(grant("User", "", "eve", "", "ClusterRoleBinding cluster-admin", "ClusterRole cluster-admin")), check.Warn, "1 subject", []string{"User eve"}},
		testCase{"a controller's name in another namespace", reading(pretender), check.Warn, "1 subject", []string{"ServiceAccount app/namespace-controller"}},
		testCase{"a controller by another binding", reading(renamed), check.Warn, "1 subject", []string{"ServiceAccount kube-system/namespace-controller"}},
		testCase{"a controller with another role", reading(rebound), check.Warn, "1 subject", []string{"ServiceAccount kube-system/namespace-controller"}},
	)
}

func TestManySubjectsAreCountedAndTheFirstNamed(t *testing.T) {
	a := reading()
	for i := range 1_500 {
		a.Readers = append(a.Readers, to("User", "", fmt.Sprintf("user-%04d", i)))
	}
	r := result(t, "EA-333", facts.Facts{Access: []facts.Access{a}})
	if r.Count != 1_500 || len(r.Objects) != 1_000 || r.Objects[999].Name != "user-0999" {
		t.Errorf("count %d, %d named", r.Count, len(r.Objects))
	}
}
