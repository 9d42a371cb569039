package access_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

func TestAnyone(t *testing.T) {
	named := grant("Group", "", "system:unauthenticated", "public", "RoleBinding ca", "Role ca", "ca")
	judge(t, "EA-331",
		testCase{"a new cluster", reading(), check.Pass, "no binding lets", nil},
		testCase{"others have rights of their own", reading(operator, team, to("ServiceAccount", "a", "default"), to("User", "", "system:authenticated")), check.Pass, "no binding lets", nil},
		testCase{"all with a login", reading(to("Group", "", "system:authenticated")), check.Fail, "(1 subject) may read Secrets", []string{"Group system:authenticated: everywhere by ClusterRoleBinding wide (ClusterRole reader)"}},
		testCase{"all without one", reading(to("User", "", "system:anonymous"), named), check.Fail, "(2 subjects) may read Secrets", []string{"Group system:unauthenticated: get, list of ca in namespace public", "User system:anonymous"}},
		testCase{"one subject is named once", reading(to("Group", "", "system:authenticated"), grant("Group", "", "system:authenticated", "app", "RoleBinding b", "Role r")), check.Fail, "(1 subject) may read Secrets", []string{"Group system:authenticated: (ClusterRole reader); get, list in namespace app by RoleBinding b"}},
		testCase{"another way to read them", by("create Pods", to("Group", "", "system:authenticated")), check.Fail, "(1 subject) may create Pods", []string{"Group system:authenticated"}},
		testCase{"a caller of its own, by another way", by("create Pods", operator), check.Pass, "no binding lets", nil},
		testCase{"both", facts.Access{Readers: []rbac.Grant{to("User", "", "system:anonymous")}, Ways: by("act as others", to("User", "", "system:anonymous")).Ways}, check.Fail, "(1 subject) may read Secrets; or act as others", []string{"User system:anonymous"}},
	)
}
