package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

// Grants, as an evaluation gives them.
var (
	masters    = grant("Group", "", "system:masters", "", "ClusterRoleBinding cluster-admin", "ClusterRole cluster-admin")
	kubeadm    = grant("Group", "", "kubeadm:cluster-admins", "", "ClusterRoleBinding kubeadm:cluster-admins", "ClusterRole cluster-admin")
	namespaces = grant("ServiceAccount", "kube-system", "namespace-controller", "", "ClusterRoleBinding system:controller:namespace-controller", "ClusterRole system:controller:namespace-controller")
	signer     = grant("ServiceAccount", "kube-system", "bootstrap-signer", "kube-system", "RoleBinding system:controller:bootstrap-signer", "Role system:controller:bootstrap-signer")
	operator   = grant("ServiceAccount", "vault", "operator", "", "ClusterRoleBinding operator", "ClusterRole operator")
	team       = grant("Group", "", "team", "app", "RoleBinding team", "ClusterRole edit")
)

func grant(kind, namespace, name, where, binding, role string, names ...string) rbac.Grant {
	return rbac.Grant{Subject: rbac.Subject{Kind: kind, Namespace: namespace, Name: name}, Namespace: where, Verbs: []string{"get", "list"}, Names: names, Binding: binding, Role: role}
}

// to is a grant to another subject.
func to(kind, namespace, name string) rbac.Grant {
	return grant(kind, namespace, name, "", "ClusterRoleBinding wide", "ClusterRole reader")
}

func reading(grants ...rbac.Grant) facts.Access {
	return facts.Access{Readers: append([]rbac.Grant{masters, kubeadm, namespaces, signer}, grants...)}
}

// by is an access with grants of one other way to read Secrets.
func by(way string, grants ...rbac.Grant) facts.Access {
	a := reading()
	a.Ways = []facts.Way{{Name: way, Grants: append([]rbac.Grant{masters, namespaces}, grants...)}}
	return a
}

type testCase struct {
	name   string
	access facts.Access
	status check.Status
	says   string // in the summary or the reason
	// about are the subjects, with a part of the detail after a colon.
	about []string
}

// judge judges every case, the same with something unread, and what no rule may judge.
func judge(t *testing.T, id string, cases ...testCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.access
			a.Target, a.Identity, a.Source, a.Seen = "live:c:/registry/", []string{"live", "c", "", "/registry/"}, "etcd", "4 objects"
			r := result(t, id, facts.Facts{Access: []facts.Access{a}})
			if said := r.Summary + r.Reason; r.Status != tt.status || !strings.Contains(said, tt.says) {
				t.Errorf("%v: %s\nwant %v: %q", r.Status, said, tt.status, tt.says)
			}
			if r.Status.Finding() != (r.Remedy != "") || len(r.Evidence) == 0 || len(r.Identity) == 0 || r.Target == "" {
				t.Errorf("%+v", r)
			}
			if int(r.Count) != len(tt.about) || len(r.Objects) != len(tt.about) {
				t.Fatalf("count %d: %+v, want %q", r.Count, r.Objects, tt.about)
			}
			for i, o := range r.Objects {
				want, detail, _ := strings.Cut(tt.about[i], ": ")
				if got := strings.TrimSpace(o.Resource + " " + strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")); got != want || !strings.Contains(o.Detail, detail) {
					t.Errorf("%q: %q, want %q", got, o.Detail, tt.about[i])
				}
			}
			a.Unread = "3 of 9 objects of RBAC are encrypted"
			unread := result(t, id, facts.Facts{Access: []facts.Access{a}})
			switch {
			case tt.status.Finding() && (unread.Status != tt.status || unread.Count != r.Count):
				t.Errorf("what was found is lost where something else cannot be read: %+v", unread)
			case !tt.status.Finding() && (unread.Status != check.NotEvaluated || !unread.Expected || unread.Reason != a.Unread || !strings.Contains(unread.Remedy, "--kubeconfig")):
				t.Errorf("passed without all objects: %+v", unread)
			}
		})
	}
	for _, s := range []check.Status{check.Pass, check.Fail, check.Warn} {
		if !slices.ContainsFunc(cases, func(c testCase) bool { return c.status == s || c.status.Finding() && s.Finding() }) {
			t.Errorf("no case is %v", s)
		}
	}
	t.Run("nothing was read", func(t *testing.T) {
		if r := result(t, id, facts.Facts{Unscanned: "etcd could not be read: refused"}); r.Status != check.NotEvaluated || !strings.Contains(r.Reason, "refused") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the API server authorizes by a webhook", func(t *testing.T) {
		n := controlplane.New(t)
		n.APIServer().Config.AuthorizationModes = []string{"Node", "Webhook"}
		n.Facts.Access = []facts.Access{cases[0].access}
		if r := result(t, id, n.Facts); r.Status != check.NotEvaluated || !strings.Contains(r.Reason, "authorizes by Node, Webhook (--authorization-mode): RBAC does not decide") {
			t.Errorf("%+v", r)
		}
	})
}

func result(t *testing.T, id string, f facts.Facts) check.Result {
	t.Helper()
	results := controlplane.Results(t, id, f)
	if len(results) != 1 {
		t.Fatalf("%d results: %+v", len(results), results)
	}
	return results[0]
}

func TestWhereRBACDoesNotDecideNothingIsSaidOfIt(t *testing.T) {
	file := func(types ...string) func(*facts.APIServer) {
		return func(s *facts.APIServer) {
			s.Config.AuthorizationModes = nil
			s.Authorization = &facts.AuthorizationFile{Path: "/etc/authz.yaml", Types: types}
		}
	}
	for name, tt := range map[string]struct {
		change func(*facts.APIServer)
		says   string // empty where RBAC decides, or what decides is not known
	}{
		"kubeadm's":                 {func(*facts.APIServer) {}, ""},
		"all is allowed":            {func(s *facts.APIServer) { s.Config.AuthorizationModes = []string{"AlwaysAllow"} }, "AlwaysAllow"},
		"what RBAC does not is too": {func(s *facts.APIServer) { s.Config.AuthorizationModes = []string{"RBAC", "AlwaysAllow"} }, "RBAC, AlwaysAllow"},
		"a file with RBAC":          {file("Node", "RBAC"), ""},
		"a file with a webhook":     {file("Node", "Webhook"), "Node, Webhook (/etc/authz.yaml)"},
		"a file that cannot be read": {func(s *facts.APIServer) {
			s.Authorization = &facts.AuthorizationFile{Path: "/etc/authz.yaml", Err: "permission denied"}
		}, ""},
		"flags that were not read": {func(s *facts.APIServer) { s.NotEvaluated = "permission denied" }, ""},
		"flags that are refused":   {func(s *facts.APIServer) { s.Config = apiserverconfig.Config{Refused: "unknown shorthand flag"} }, ""},
	} {
		n := controlplane.New(t)
		n.Facts.Access = []facts.Access{reading()}
		tt.change(n.APIServer())
		r := result(t, "EA-331", n.Facts)
		if said := r.Status == check.NotEvaluated; said != (tt.says != "") || !strings.Contains(r.Reason, tt.says) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
