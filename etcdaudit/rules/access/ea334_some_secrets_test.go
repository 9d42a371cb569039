package access_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
)

func TestSomeSecrets(t *testing.T) {
	many := grant("User", "", "eve", "", "ClusterRoleBinding names", "ClusterRole names", "a", "b", "c", "d", "e")
	judge(t, "EA-334",
		testCase{"a new cluster", reading(), check.Pass, "no subject beyond", nil},
		testCase{"those who may read all are EA-333's", reading(operator), check.Pass, "no subject beyond", nil},
		testCase{"a namespace, and five names", reading(team, many), check.Warn, "2 subjects", []string{"Group team: in namespace app by RoleBinding team (ClusterRole edit)", "User eve: get, list of a, b, c and 2 more everywhere"}},
	)
}
