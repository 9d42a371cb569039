package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func TestWhoMayReadIsShownByReach(t *testing.T) {
	var p printer
	p.readers(nil)
	if p.out.Len() > 0 {
		t.Errorf("nothing is known, and this is shown:\n%s", &p.out)
	}
	role := "ClusterRole r"
	p.readers([]*auditv1.Reader{
		{Kind: "User", Name: "one", Namespace: "app", Verbs: []string{"get"}, Secrets: []string{"ca"}, Binding: "RoleBinding one", Role: role},
		{Kind: "User", Name: "two", Verbs: []string{"get"}, Secrets: []string{"ca", "db", "(7 more)"}, Binding: "ClusterRoleBinding two", Role: role},
		{Kind: "Group", Name: "team", Namespace: "app", Verbs: []string{"get", "list"}, Binding: "RoleBinding team", Role: role},
		{Kind: "ServiceAccount", Name: "vault/operator", Verbs: []string{"list"}, Binding: "ClusterRoleBinding operator", Role: role},
		{Kind: "Group", Name: "system:masters", Verbs: []string{"get"}, Binding: "ClusterRoleBinding cluster-admin", Role: role, BuiltIn: true},
	})
	want := `
Who may read Secrets through the API server, beside the control plane's own (1 in --output json):
  ServiceAccount vault/operator, everywhere: list, by ClusterRoleBinding operator of ClusterRole r
  Group team, namespace app: get, list, by RoleBinding team of ClusterRole r
  User one, namespace app: ca: get, by RoleBinding one of ClusterRole r
  User two, everywhere: ca and others: get, by ClusterRoleBinding two of ClusterRole r
`
	if diff := cmp.Diff(want, p.out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestManyReadersDoNotHideTheReport(t *testing.T) {
	var p printer
	var list []*auditv1.Reader
	for i := range 1_000 {
		list = append(list, &auditv1.Reader{Kind: "User", Name: fmt.Sprint(i), Namespace: "app"})
	}
	p.readers(append(list, &auditv1.Reader{Kind: "User", Name: "wide"}))
	if lines := strings.Split(p.out.String(), "\n"); len(lines) != 24 || !strings.HasPrefix(lines[2], "  User wide, everywhere") || lines[22] != "  and 981 more in --output json" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
}
