package access_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
)

func TestAnyone(t *testing.T) {
	named := grant("Group", "", "system:unauthenticated", "public", "RoleBinding ca", "Role ca", "ca")
	judge(t, "EA-331",
		testCase{"a new cluster", reading(), check.Pass, "no binding lets", nil},
		testCase{"others have rights of their own", reading(operator, team, to("ServiceAccount", "a", "default"), to("User", "", "system:authenticated")), check.Pass, "no binding lets", nil},
		testCase{"all with a login", reading(to("Group", "", "system:authenticated")), check.Fail, ", by 1 subject", []string{"Group system:authenticated: everywhere by ClusterRoleBinding wide (ClusterRole reader)"}},
		testCase{"all without one", reading(to("User", "", "system:anonymous"), named), check.Fail, ", by 2 subjects", []string{"Group system:unauthenticated: get, list of ca in namespace public", "User system:anonymous"}},
		testCase{"one subject is named once", reading(to("Group", "", "system:authenticated"), grant("Group", "", "system:authenticated", "app", "RoleBinding b", "Role r")), check.Fail, ", by 1 subject", []string{"Group system:authenticated: (ClusterRole reader); get, list in namespace app by RoleBinding b"}},
	)
}
