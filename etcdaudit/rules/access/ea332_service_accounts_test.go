package access_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
)

func TestServiceAccounts(t *testing.T) {
	judge(t, "EA-332",
		testCase{"a new cluster", reading(), check.Pass, "neither a default", nil},
		testCase{"an account of its own, and a user called default", reading(operator, to("User", "", "default"), to("Group", "", "default")), check.Pass, "neither a default", nil},
		testCase{"a default account", reading(to("ServiceAccount", "app", "default")), check.Fail, "(1 subject) may read Secrets", []string{"ServiceAccount app/default"}},
		testCase{"all of them", reading(to("Group", "", "system:serviceaccounts"), to("Group", "", "system:serviceaccounts:app")), check.Fail, "(2 subjects) may read Secrets", []string{"Group system:serviceaccounts", "Group system:serviceaccounts:app"}},
		testCase{"another way to read them", by("create Pods", to("ServiceAccount", "app", "default")), check.Fail, "(1 subject) may create Pods", []string{"ServiceAccount app/default"}},
	)
}
