package access_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

func TestOtherWays(t *testing.T) {
	ways := func(pods, tokens []rbac.Grant) facts.Access {
		return facts.Access{Ways: []facts.Way{{Name: "create Pods", Grants: append([]rbac.Grant{masters, kubeadm}, pods...)}, {Name: "issue tokens", Grants: append([]rbac.Grant{masters}, tokens...)}}}
	}
	judge(t, "EA-336",
		testCase{"a new cluster", ways([]rbac.Grant{namespaces}, nil), check.Pass, "no subject beyond", nil},
		testCase{"one way", ways([]rbac.Grant{team}, nil), check.Warn, "1 subject may create Pods", []string{"Group team"}},
		testCase{"two ways", ways([]rbac.Grant{team, operator}, []rbac.Grant{operator}), check.Warn, "2 subjects may create Pods; or issue tokens", []string{"Group team", "ServiceAccount vault/operator"}},
		testCase{"those of EA-331 and EA-332 are not said again", ways(nil, []rbac.Grant{to("ServiceAccount", "app", "default"), to("Group", "", "system:authenticated")}), check.Pass, "no subject beyond", nil},
	)
}
