package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/testing/protocmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/kubeapi"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// What is said of access is what the API server itself answers.
func TestWhoMayReadIsWhatTheAPIServerSays(t *testing.T) {
	c := clustertest.New(t, components.Etcd, components.APIServer)
	etcd := testkit.Must(c.StartEtcd(t.Context(), 1))(t)
	api := testkit.Must(c.StartAPIServer(t.Context(), cluster.APIServerOptions{Etcd: etcd}))(t)
	s := &servers{etcd: etcd, client: api.Client(), rng: rand.New(rand.NewPCG(9, 9))}
	t.Run("a new cluster", s.testNewCluster)
	s.create(t)
	readers := s.audit(t).Readers
	t.Run("reading Secrets", func(t *testing.T) {
		s.compare(t, 1_000, func() question {
			q := s.question("", "secrets", rbac.Reading().Verbs)
			q.ours = q.masters() || slices.ContainsFunc(readers, func(r *auditv1.Reader) bool {
				return q.is(r.Kind, r.Name) && (r.Namespace == "" || r.Namespace == q.namespace) && slices.Contains(r.Verbs, q.verb) && (len(r.Secrets) == 0 || slices.Contains(r.Secrets, q.name))
			})
			return q
		})
	})
	client := testkit.Must(kubeapi.Load(api.Kubeconfig()))(t)
	defer client.Close()
	t.Run("other ways", func(t *testing.T) { s.testOtherWays(t, client) })
	t.Run("objects that are encrypted in etcd are listed by the API server", func(t *testing.T) {
		sealed := stored.Source{Scope: scope("a"), All: []record.Record{stored.Record("clusterroles/r", stored.KMSv2("p", "k", 1), 7)}}
		ask := func(ctx context.Context) (string, *rbac.Objects, error) {
			objects, err := client.RBAC(ctx)
			return client.Server(), objects, err
		}
		r := testkit.Must(audit.Run(t.Context(), audit.Options{Sources: []record.Source{sealed}, Groups: rules.Groups{Data: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM, API: ask}))(t)
		if diff := cmp.Diff(readers, r.Readers, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		if got := check(t, r, "EA-333").Results[0]; got.Target != "API server "+api.URL || got.Status != auditv1.Status_STATUS_WARN {
			t.Errorf("%v", got)
		}
	})
	t.Run("verbs whose answer is the Secret", s.testAnswers)
}

type servers struct {
	etcd   *cluster.Etcd
	client kubernetes.Interface
	rng    *rand.Rand
}

// audit scans etcd.
func (s *servers) audit(t *testing.T) *auditv1.Report {
	t.Helper()
	files := s.etcd.ClientFiles()
	store := testkit.Must(live.Connect(t.Context(), live.Config{Endpoints: s.etcd.Endpoints(), CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key, RequestTimeout: 30 * time.Second}))(t)
	defer func() { testkit.Check(t, store.Close()) }()
	snapshot := testkit.Must(store.Pin(t.Context(), "/registry"))(t)
	return testkit.Must(audit.Run(t.Context(), audit.Options{Sources: []record.Source{snapshot}, Groups: rules.Groups{Data: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM}))(t)
}

// The bindings that the API server has made for itself are no finding, and all of them are
// listed. No controller runs here that fills aggregated roles.
func (s *servers) testNewCluster(t *testing.T) {
	r := s.audit(t)
	for _, id := range []string{"EA-331", "EA-332", "EA-333", "EA-334", "EA-336"} {
		if c := check(t, r, id); c.Status != auditv1.Status_STATUS_PASS {
			t.Errorf("%v", c)
		}
	}
	if o := check(t, r, "EA-335").Results[0].Objects; len(o) != 1 || o[0].Name != "edit" {
		t.Errorf("%v", o)
	}
	if len(r.Readers) < 9 || r.Readers[0].Name != "system:masters" {
		t.Errorf("%v", r.Readers)
	}
}

// question is one request, and whether it is allowed by what we know.
type question struct {
	user                                          string
	groups                                        []string
	group, resource, subresource, verb, namespace string
	name                                          string
	ours                                          bool
}

func (q question) masters() bool { return slices.Contains(q.groups, "system:masters") }

// is reports whether a subject is the caller.
func (q question) is(kind, name string) bool {
	switch kind {
	case "User":
		return q.user == name
	case "ServiceAccount":
		return q.user == "system:serviceaccount:"+strings.Replace(name, "/", ":", 1)
	default:
		return slices.Contains(q.groups, name)
	}
}

// The names that generated objects and questions have in common.
var (
	namespaces = []string{"app", "team", "kube-system", "default"}
	users      = []string{"alice", "bob", "carol", "system:serviceaccount:app:default", "system:serviceaccount:team:bot", "system:anonymous"}
	groups     = []string{"developers", "operators", "system:authenticated", "system:serviceaccounts:team"}
	accounts   = []string{"default", "bot", "builder"}
	names      = []string{"a", "b", "c"}
)

func one(rng *rand.Rand, list []string) string { return list[rng.IntN(len(list))] }

// some are a few of a list.
func some(rng *rand.Rand, list []string) (chosen []string) {
	for range 1 + rng.IntN(3) {
		chosen = append(chosen, one(rng, list))
	}
	return chosen
}

func (s *servers) question(group, resource string, verbs []string) question {
	q := question{group: group, verb: one(s.rng, verbs), namespace: one(s.rng, append([]string{""}, namespaces...)), name: one(s.rng, []string{"", "", "a", "b", "d"})}
	q.resource, q.subresource, _ = strings.Cut(resource, "/")
	switch s.rng.IntN(10) {
	case 0:
		q.user, q.groups = "root", []string{"system:masters", "system:authenticated"}
	case 1:
		q.user, q.groups = "system:anonymous", []string{"system:unauthenticated"}
	case 2, 3, 4:
		namespace := one(s.rng, namespaces)
		q.user = "system:serviceaccount:" + namespace + ":" + one(s.rng, accounts)
		q.groups = []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}
	default:
		q.user, q.groups = one(s.rng, append([]string{"nobody"}, users[:3]...)), []string{"system:authenticated"}
		if s.rng.IntN(2) == 0 {
			q.groups = append(q.groups, one(s.rng, groups[:2]))
		}
	}
	return q
}

// compare asks the API server as many questions.
func (s *servers) compare(t *testing.T, number int, ask func() question) {
	var asked errgroup.Group
	asked.SetLimit(8)
	began, yes := time.Now(), 0
	for range number {
		q := ask()
		if q.ours {
			yes++
		}
		asked.Go(func() error {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: q.user, Groups: q.groups, ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: q.namespace, Verb: q.verb, Group: q.group, Resource: q.resource, Subresource: q.subresource, Name: q.name,
			}}}
			answer, err := s.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
			if err == nil && answer.Status.Allowed != q.ours {
				t.Errorf("%+v: the API server says %t: %s", q, answer.Status.Allowed, answer.Status.Reason)
			}
			return err
		})
	}
	testkit.Check(t, asked.Wait())
	t.Logf("%d questions, %d with yes, in %v", number, yes, time.Since(began))
	if yes < number/5 || yes > number*4/5 {
		t.Errorf("%d of %d answers are yes: the comparison proves little", yes, number)
	}
}

func (s *servers) testOtherWays(t *testing.T, client *kubeapi.Client) {
	objects := testkit.Must(client.RBAC(t.Context()))(t)
	ways := rbac.Ways()
	s.compare(t, 300, func() question {
		way := ways[s.rng.IntN(len(ways))]
		right := way.Rights[s.rng.IntN(len(way.Rights))]
		resource := one(s.rng, right.Resources)
		q := s.question(right.Group, resource, right.Verbs)
		grants, _ := objects.Grants(rbac.Right{Verbs: []string{q.verb}, Group: right.Group, Resources: []string{resource}})
		q.ours = q.masters() || slices.ContainsFunc(grants, func(g rbac.Grant) bool {
			return q.is(g.Subject.Kind, g.Subject.FullName()) && (g.Namespace == "" || g.Namespace == q.namespace) && (len(g.Names) == 0 || slices.Contains(g.Names, q.name))
		})
		return q
	})
}

// testAnswers shows that a patch and a deletecollection that change nothing answer with the
// Secret, and that a delete does not.
func (s *servers) testAnswers(t *testing.T) {
	const canary = "CANARY-of-a-secret"
	secrets := s.client.CoreV1().Secrets("app")
	_ = testkit.Must(secrets.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Data: map[string][]byte{"k": []byte(canary)}}, metav1.CreateOptions{}))(t)
	patched := testkit.Must(secrets.Patch(t.Context(), "s", types.MergePatchType, []byte("{}"), metav1.PatchOptions{DryRun: []string{"All"}}))(t)
	if string(patched.Data["k"]) != canary {
		t.Errorf("patch: %v", patched)
	}
	rest := s.client.CoreV1().RESTClient()
	encoded := []byte("Q0FOQVJZLW9mLWEtc2VjcmV0")
	all := testkit.Must(rest.Delete().Resource("secrets").Namespace("app").Param("dryRun", "All").SetHeader("Accept", "application/json").DoRaw(t.Context()))(t)
	if !bytes.Contains(all, encoded) {
		t.Errorf("deletecollection: %s", all)
	}
	single := testkit.Must(rest.Delete().Resource("secrets").Namespace("app").Name("s").Param("dryRun", "All").SetHeader("Accept", "application/json").DoRaw(t.Context()))(t)
	if bytes.Contains(single, encoded) {
		t.Errorf("delete: %s", single)
	}
}

// create fills the cluster with roles and bindings, and waits until the authorizer knows
// them.
func (s *servers) create(t *testing.T) {
	api, create := s.client.RbacV1(), metav1.CreateOptions{}
	var made errgroup.Group
	made.SetLimit(8)
	for _, n := range namespaces[:2] {
		_ = testkit.Must(s.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}, create))(t)
	}
	var roles []string
	for i := range 14 {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("role-%02d", i), Labels: map[string]string{"to": fmt.Sprint(i % 3)}}, Rules: s.rules()}
		if i%4 == 0 { // what it selects does not count, and no controller runs
			role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"to": "1"}}}}
		}
		roles = append(roles, role.Name)
		made.Go(func() error { _, err := api.ClusterRoles().Create(t.Context(), role, create); return err })
	}
	roles = append(roles, "view", "edit", "gone")
	for i := range 10 {
		b := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("binding-%02d", i)}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: one(s.rng, roles)}, Subjects: s.subjects("")}
		made.Go(func() error { _, err := api.ClusterRoleBindings().Create(t.Context(), b, create); return err })
	}
	for _, namespace := range namespaces {
		for i := range 8 {
			role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("role-%02d", i)}, Rules: s.rules()}
			made.Go(func() error { _, err := api.Roles(namespace).Create(t.Context(), role, create); return err })
		}
		for i := range 12 {
			b := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("binding-%02d", i)}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: one(s.rng, []string{"Role", "ClusterRole"}), Name: one(s.rng, roles)}, Subjects: s.subjects(namespace)}
			made.Go(func() error { _, err := api.RoleBindings(namespace).Create(t.Context(), b, create); return err })
		}
	}
	testkit.Check(t, made.Wait())
	s.sentinels(t)
}

// sentinels are written last, one of each kind: the authorizer sees each kind in the order
// of its writes, so that what they allow shows that it has seen the others.
func (s *servers) sentinels(t *testing.T) {
	api, create, called := s.client.RbacV1(), metav1.CreateOptions{}, metav1.ObjectMeta{Name: "sentinel"}
	rules := []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: called.Name}
	}
	subject := func(name string) []rbacv1.Subject { return []rbacv1.Subject{{Kind: "User", Name: name}} }
	_ = testkit.Must(api.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: called, Rules: rules}, create))(t)
	_ = testkit.Must(api.Roles("app").Create(t.Context(), &rbacv1.Role{ObjectMeta: called, Rules: rules}, create))(t)
	_ = testkit.Must(api.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: called, RoleRef: ref("ClusterRole"), Subjects: subject("sentinel-1")}, create))(t)
	_ = testkit.Must(api.RoleBindings("app").Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: called, RoleRef: ref("Role"), Subjects: subject("sentinel-2")}, create))(t)
	for _, user := range []string{"sentinel-1", "sentinel-2"} {
		for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "app", Verb: "get", Resource: "pods"}}}
			if testkit.Must(s.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, create))(t).Status.Allowed {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the authorizer does not know the bindings of %s", user)
			}
		}
	}
}

// rules are a few, half of them about Secrets.
func (s *servers) rules() (all []rbacv1.PolicyRule) {
	for range 2 + s.rng.IntN(3) {
		r := rbacv1.PolicyRule{
			Verbs:     some(s.rng, []string{"get", "list", "watch", "patch", "deletecollection", "create", "update", "escalate", "bind", "impersonate", "*"}),
			APIGroups: some(s.rng, []string{"", "", "*", "apps", "batch", rbacv1.GroupName}),
			Resources: some(s.rng, []string{"secrets", "secrets", "*", "pods", "pods/exec", "*/exec", "secrets/status", "*/token", "configmaps", "users", "clusterroles", "deployments", "jobs"}),
		}
		if s.rng.IntN(3) == 0 {
			r.ResourceNames = some(s.rng, names)
		}
		all = append(all, r)
	}
	return all
}

// subjects are a few. In a namespace a service account's may be left out.
func (s *servers) subjects(namespace string) (all []rbacv1.Subject) {
	for range 1 + s.rng.IntN(3) {
		switch s.rng.IntN(5) {
		case 0, 1:
			account := rbacv1.Subject{Kind: "ServiceAccount", Namespace: one(s.rng, namespaces), Name: one(s.rng, accounts)}
			if namespace != "" && s.rng.IntN(2) == 0 {
				account.Namespace = ""
			}
			all = append(all, account)
		case 2:
			all = append(all, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "Group", Name: one(s.rng, groups)})
		default:
			all = append(all, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: one(s.rng, users)})
		}
	}
	return all
}
