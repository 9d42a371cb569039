package rbac_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/test/testkit"
)

const prefix = "/registry"

// protobuf is an object as an API server stores it.
func protobuf(t testing.TB, version, kind string, object interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: version, Kind: kind}, Raw: testkit.Must(object.Marshal())(t)}
	return append([]byte("k8s\x00"), testkit.Must(unknown.Marshal())(t)...)
}

const v1 = "rbac.authorization.k8s.io/v1"

func role() *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "r", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}}}, Rules: []rbacv1.PolicyRule{rule("get", "secrets")}}
}

func binding() *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: "b"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "r"}, Subjects: []rbacv1.Subject{{Kind: "User", Name: "u"}}}
}

func TestObjectsAreReadAsTheyAreStored(t *testing.T) {
	bound := binding()
	bound.TypeMeta = metav1.TypeMeta{APIVersion: v1, Kind: "RoleBinding"}
	asJSON := testkit.Must(json.Marshal(bound))(t)
	for name, value := range map[string][]byte{"protobuf": protobuf(t, v1, "RoleBinding", binding()), "JSON": asJSON, "the version before": protobuf(t, "rbac.authorization.k8s.io/v1beta1", "RoleBinding", binding())} {
		c := rbac.NewCollector(prefix)
		c.Add([]byte("/registry/clusterroles/r"), protobuf(t, v1, "ClusterRole", role()))
		c.Add([]byte("/registry/rolebindings/app/b"), value)
		for _, key := range []string{"/registry/secrets/app/b", "/registry/rbac.example.com/rolebindings/app/b", "/other/rolebindings/app/b", "/registryrolebindings/", "/registry/rolebindings", "/registry", ""} {
			c.Add([]byte(key), value)
		}
		if diff := cmp.Diff([]string{`User u in "app": get`}, texts(&c.Objects)); diff != "" || c.Unread() != "" || c.Seen() != 2 {
			t.Errorf("%s: %s, %q, %d seen", name, diff, c.Unread(), c.Seen())
		}
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	whole := protobuf(t, v1, "RoleBinding", binding())
	for name, tt := range map[string]struct{ value, want string }{
		"encrypted":       {"k8s:enc:kms:v2:p:abc", "1 of 2 objects of RBAC are encrypted"},
		"cut":             {string(whole[:len(whole)-9]), "malformed protobuf"},
		"of another kind": {string(protobuf(t, v1, "Role", binding())), "of another kind or version than RoleBinding"},
		"of the future":   {string(protobuf(t, "rbac.authorization.k8s.io/v2", "RoleBinding", binding())), "of another kind or version"},
		"cut JSON":        {`{"kind": "RoleBinding", "subjects": [`, "malformed JSON"},
		"nothing":         {"", "neither protobuf nor JSON"},
		"YAML":            {"kind: RoleBinding\n", "neither protobuf nor JSON"},
		"too long":        {"{" + strings.Repeat(" ", 2<<20), "longer than 2 MiB"},
	} {
		c := rbac.NewCollector(prefix)
		c.Add([]byte("/registry/clusterroles/r"), protobuf(t, v1, "ClusterRole", role()))
		c.Add([]byte("/registry/rolebindings/app/b"), []byte(tt.value))
		if got := c.Unread(); !strings.Contains(got, tt.want) || len(texts(&c.Objects)) != 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Beyond a bound nothing is read, and nothing is passed over.
func TestAnObjectThatHasChangedSinceIsSaid(t *testing.T) {
	c := rbac.NewCollector(prefix)
	c.Add([]byte("/registry/rolebindings/app/b"), protobuf(t, v1, "RoleBinding", binding()))
	c.Retract([]byte("/registry/secrets/app/b"))
	if c.Seen() != 1 || c.Unread() != "" {
		t.Fatalf("%d seen: %s", c.Seen(), c.Unread())
	}
	c.Retract([]byte("/registry/rolebindings/app/b"))
	if c.Seen() != 0 || !strings.Contains(c.Unread(), "changed while they were read") {
		t.Errorf("%d seen: %s", c.Seen(), c.Unread())
	}
}

func TestTooManyObjectsAreSaid(t *testing.T) {
	c := rbac.NewCollector(prefix)
	wide := binding()
	wide.Subjects = make([]rbacv1.Subject, 100_000) // two bytes each, and 100 in memory
	for range 20 {
		c.Add([]byte("/registry/rolebindings/app/b"), protobuf(t, v1, "RoleBinding", wide))
	}
	if got := c.Unread(); !strings.Contains(got, "128 MiB") || c.Seen() != 20 {
		t.Errorf("%q, %d seen", got, c.Seen())
	}
}

func FuzzCollector(f *testing.F) {
	f.Add([]byte("clusterroles/r"), protobuf(f, v1, "ClusterRole", role()))
	f.Add([]byte("rolebindings/app/b"), protobuf(f, v1, "RoleBinding", binding()))
	f.Add([]byte("clusterrolebindings/b"), []byte(`{"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "Group", "name": "g"}]}`))
	f.Add([]byte("roles/app/r"), []byte("k8s:enc:secretbox:v1:k:"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		c := rbac.NewCollector(prefix)
		for _, path := range []string{string(key), "clusterroles/r", "rolebindings/app/b", "clusterrolebindings/b", "roles/app/r"} {
			c.Add([]byte(prefix+"/"+path), value)
		}
		for _, way := range rbac.Ways() {
			for _, right := range way.Rights {
				c.Objects.Grants(right)
			}
		}
		c.Objects.Aggregations(rbac.Reading())
		if c.Seen() < 4 || c.Unread() == "" {
			t.Errorf("%d seen, %q: one value is no object of each kind", c.Seen(), c.Unread())
		}
	})
}
