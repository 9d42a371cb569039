package rbac_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/test/testkit"
)

// rule gives verbs on resources of the core group.
func rule(verbs, resources string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: strings.Fields(verbs), APIGroups: []string{""}, Resources: strings.Fields(resources), ResourceNames: names}
}

// given are objects with one ClusterRole r of these rules, bound everywhere to the user u.
func given(t *testing.T, rules ...rbacv1.PolicyRule) *rbac.Objects {
	t.Helper()
	o := &rbac.Objects{}
	testkit.Check(t, o.AddClusterRole(rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Rules: rules}))
	testkit.Check(t, o.AddClusterRoleBinding(rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "b"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "r"}, Subjects: []rbacv1.Subject{{Kind: "User", Name: "u"}},
	}))
	return o
}

// texts are the grants of reading, one a line.
func texts(o *rbac.Objects) (lines []string) {
	grants, _ := o.Grants(rbac.Reading())
	for _, g := range grants {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s in %q: %s %s", g.Subject, g.Namespace, strings.Join(g.Verbs, ","), strings.Join(g.Names, ","))))
	}
	return lines
}

func TestWhatRulesGive(t *testing.T) {
	all := `User u in "": get,list,watch,patch,deletecollection`
	for name, tt := range map[string]struct {
		rules []rbacv1.PolicyRule
		want  []string
	}{
		"all three wildcards":                       {[]rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}, []string{all}},
		"a wildcard of verbs":                       {[]rbacv1.PolicyRule{rule("*", "secrets")}, []string{all}},
		"a wildcard of resources":                   {[]rbacv1.PolicyRule{rule("list get", "*")}, []string{`User u in "": get,list`}},
		"another group":                             {[]rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"apps"}, Resources: []string{"*"}}}, nil},
		"subresources, which Secrets do not have":   {[]rbacv1.PolicyRule{rule("*", "secrets/* */* secrets/status")}, nil},
		"a wildcard that is none":                   {[]rbacv1.PolicyRule{rule("*", "secret* sec*")}, nil},
		"verbs that show nothing":                   {[]rbacv1.PolicyRule{rule("create update delete", "secrets")}, nil},
		"verbs in another case":                     {[]rbacv1.PolicyRule{rule("GET", "secrets")}, nil},
		"a rule of URLs":                            {[]rbacv1.PolicyRule{{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}}}, nil},
		"rules add up":                              {[]rbacv1.PolicyRule{rule("get", "secrets"), rule("watch", "pods secrets")}, []string{`User u in "": get,watch`}},
		"single Secrets":                            {[]rbacv1.PolicyRule{rule("get list", "secrets", "b", "a"), rule("get", "secrets", "c")}, []string{`User u in "": get c`, `User u in "": get,list a,b`}},
		"a name adds nothing to a right on all":     {[]rbacv1.PolicyRule{rule("get", "secrets"), rule("get list", "secrets", "a")}, []string{`User u in "": get`, `User u in "": list a`}},
		"a list has no name, which an empty one is": {[]rbacv1.PolicyRule{rule("get list", "secrets", "")}, []string{`User u in "": list`}},
		"an answer shows what a patch has not":      {[]rbacv1.PolicyRule{rule("patch deletecollection", "secrets")}, []string{`User u in "": patch,deletecollection`}},
		"a rule without groups":                     {[]rbacv1.PolicyRule{{Verbs: []string{"*"}, Resources: []string{"*"}}}, nil},
	} {
		if diff := cmp.Diff(tt.want, texts(given(t, tt.rules...))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhomBindingsAreFor(t *testing.T) {
	o := given(t, rule("get", "secrets"))
	testkit.Check(t, o.AddRole(rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: "r"}, Rules: []rbacv1.PolicyRule{rule("list", "secrets")}}))
	testkit.Check(t, o.AddClusterRoleBinding(rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "c"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "r"}, Subjects: []rbacv1.Subject{
		{Kind: "ServiceAccount", Name: "nowhere"}, {Kind: "ServiceAccount", Namespace: "app", Name: "a"}, {Kind: "User", Name: "system:serviceaccount:app:b"},
		{Kind: "User", Name: "system:serviceaccount:app:b:c"}, {Kind: "user", Name: "lower"}, {Kind: "Group", Name: "g", APIGroup: "anything"},
	}}))
	bind := func(namespace, name, kind, role string) {
		testkit.Check(t, o.AddRoleBinding(rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, RoleRef: rbacv1.RoleRef{Kind: kind, Name: role}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name}}}))
	}
	bind("app", "role", "Role", "r")
	bind("app", "cluster-role", "ClusterRole", "r")
	bind("other", "role-elsewhere", "Role", "r")
	bind("app", "gone", "ClusterRole", "gone")
	bind("app", "no-kind", "", "r")
	want := []string{
		`Group g in "": get`, `ServiceAccount app/a in "": get`, `ServiceAccount app/b in "": get`, `User system:serviceaccount:app:b:c in "": get`, `User u in "": get`,
		`ServiceAccount app/cluster-role in "app": get`, `ServiceAccount app/role in "app": list`,
	}
	if diff := cmp.Diff(want, texts(o)); diff != "" {
		t.Error(diff)
	}
	if got := o.String(); got != "1 ClusterRoles, 2 ClusterRoleBindings, 1 Roles and 5 RoleBindings" {
		t.Error(got)
	}
}

func TestAggregatedRolesAreComparedWithWhatTheySelect(t *testing.T) {
	role := func(name, labels string, selector *metav1.LabelSelector, rules ...rbacv1.PolicyRule) rbacv1.ClusterRole {
		r := rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"to": labels}}, Rules: rules}
		if selector != nil {
			r.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{*selector}}
		}
		return r
	}
	selecting := func(value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"to": value}}
	}
	read, write := rule("get list", "secrets"), rule("create", "secrets")
	o := &rbac.Objects{}
	for _, r := range []rbacv1.ClusterRole{
		role("source", "a", nil, read), role("another", "a", nil, write),
		role("stale", "", selecting("a"), write), role("in another order", "", selecting("a"), write, rule("list", "secrets"), rule("get", "secrets")),
		role("by hand", "", selecting("none"), read), role("itself", "b", selecting("b"), read),
		role("all", "", &metav1.LabelSelector{}, read),
		role("unusable", "", &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "to", Operator: "Like"}}}, read),
	} {
		testkit.Check(t, o.AddClusterRole(r))
	}
	const get = "get, list of all"
	want := []rbac.Aggregation{{"by hand", get, "nothing"}, {"itself", get, "nothing"}, {"stale", "nothing", get}}
	got, whole := o.Aggregations(rbac.Reading())
	if diff := cmp.Diff(want, got); diff != "" || !whole {
		t.Error(whole, diff)
	}
}

// A role counts once, however many selectors find it; and what all aggregated roles select
// together is bounded.
func TestWhatIsSelectedIsBounded(t *testing.T) {
	o, names := &rbac.Objects{}, make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("%010000d", i)
	}
	testkit.Check(t, o.AddClusterRole(rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "source"}, Rules: []rbacv1.PolicyRule{rule("get", "secrets", names...)}}))
	aggregated := func(name string, selectors int) {
		testkit.Check(t, o.AddClusterRole(rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: make([]metav1.LabelSelector, selectors)}}))
	}
	aggregated("a", 500)
	if got, whole := o.Aggregations(rbac.Reading()); !whole || len(got) != 1 || len(got[0].Selected) != len("get of ")+len(names)*10_002-2 {
		t.Errorf("%d roles, whole: %t", len(got), whole)
	}
	for i := range 200 {
		aggregated(fmt.Sprint("b", i), 1)
	}
	if got, whole := o.Aggregations(rbac.Reading()); whole || len(got) < 50 || len(got) > 150 {
		t.Errorf("%d roles, whole: %t", len(got), whole)
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	o := &rbac.Objects{}
	subjects := make([]rbacv1.Subject, 1_000_000)
	var err error
	for i := 0; err == nil && i < 10; i++ {
		err = o.AddRoleBinding(rbacv1.RoleBinding{Subjects: subjects})
	}
	if err == nil || !strings.Contains(err.Error(), "128 MiB") {
		t.Error(err)
	}
	err = (&rbac.Objects{}).AddClusterRole(rbacv1.ClusterRole{AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: make([]metav1.LabelSelector, 1_001)}})
	if err == nil || !strings.Contains(err.Error(), "requirements") {
		t.Error(err)
	}
}

// One role that gives each verb on other names is as many grants for each of its subjects.
func TestGrantsAreBounded(t *testing.T) {
	o := given(t, rule("get", "secrets", "a"), rule("list", "secrets", "b"), rule("watch", "secrets", "c"), rule("patch", "secrets", "d"), rule("get list", "secrets", "e"))
	testkit.Check(t, o.AddClusterRoleBinding(rbacv1.ClusterRoleBinding{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "r"}, Subjects: func() (all []rbacv1.Subject) {
		for range 60_000 {
			all = append(all, rbacv1.Subject{Kind: "User", Name: "u"})
		}
		return all
	}()}))
	if grants, whole := o.Grants(rbac.Reading()); whole || len(grants) != 200_000 {
		t.Errorf("%d grants, whole: %t", len(grants), whole)
	}
}

// A workload that may be changed runs what its writer likes, with the Secrets of its namespace.
func TestTheOtherWays(t *testing.T) {
	for name, tt := range map[string]struct {
		group, resources, verbs string
		want                    string // in the name of the way; empty for none
	}{
		"creating Pods":                    {"", "pods", "create", "run Pods"},
		"another image for a Pod":          {"", "pods", "patch", "run Pods"},
		"creating deployments":             {"apps", "deployments", "create", "run Pods"},
		"changing daemon sets":             {"apps", "daemonsets", "patch", "run Pods"},
		"changing stateful sets":           {"apps", "statefulsets", "update", "run Pods"},
		"changing cron jobs":               {"batch", "cronjobs", "update", "run Pods"},
		"creating jobs":                    {"batch", "jobs", "create", "run Pods"},
		"changing jobs, whose Pods stay":   {"batch", "jobs", "patch update", ""},
		"reading Pods":                     {"", "pods pods/log", "get list watch delete", ""},
		"a status":                         {"", "pods/status", "patch update", ""},
		"the scale alone":                  {"apps", "deployments/scale", "patch update", ""},
		"a container in a Pod that runs":   {"", "pods/ephemeralcontainers", "patch", "run commands"},
		"the same by update":               {"", "*/ephemeralcontainers", "update", "run commands"},
		"commands":                         {"", "pods/exec", "create", "run commands"},
		"deployments of an ancient group":  {"extensions", "deployments", "create", ""},
		"rights on roles that give others": {"rbac.authorization.k8s.io", "clusterroles", "escalate", "give themselves"},
	} {
		o := given(t, rbacv1.PolicyRule{Verbs: strings.Fields(tt.verbs), APIGroups: []string{tt.group}, Resources: strings.Fields(tt.resources)})
		var found []string
		for _, way := range rbac.Ways() {
			for _, right := range way.Rights {
				if grants, _ := o.Grants(right); len(grants) > 0 {
					found = append(found, way.Name)
				}
			}
		}
		if len(found) > 1 || (len(found) == 1) != (tt.want != "") || tt.want != "" && !strings.HasPrefix(found[0], tt.want) {
			t.Errorf("%s: %q", name, found)
		}
	}
}
