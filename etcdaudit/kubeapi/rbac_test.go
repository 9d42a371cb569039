package kubeapi_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/kubeapi"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
)

// serving is a client of an API server that answers by answer.
func serving(t *testing.T, answer http.HandlerFunc) *kubeapi.Client {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	text := fmt.Sprintf("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: {server: %q, certificate-authority: ca.crt}}]\nusers: [{name: u, user: {token: made-up}}]\n", server.URL)
	for name, content := range map[string]string{"ca.crt": string(ca), "config": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := kubeapi.Load(filepath.Join(dir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// list is one page of an API server's answer.
func list(w http.ResponseWriter, kind, next, items string) {
	fmt.Fprintf(w, `{"kind": %q, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"continue": %q}, "items": [%s]}`, kind, next, items)
}

const (
	role = `{"metadata": {"name": "reader"}, "rules": [{"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"]}]}`
	bind = `{"metadata": {"name": "readers"}, "roleRef": {"kind": "ClusterRole", "name": "reader"}, "subjects": [{"kind": "User", "name": %q}]}`
)

func TestAllPagesAreListed(t *testing.T) {
	c := serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch resource := strings.TrimPrefix(r.URL.Path, "/apis/rbac.authorization.k8s.io/v1/"); {
		case r.Method != http.MethodGet || r.URL.Query().Get("limit") != "500":
			http.Error(w, "no", http.StatusBadRequest)
		case resource == "clusterroles":
			list(w, "ClusterRoleList", "", role)
		case resource == "clusterrolebindings" && r.URL.Query().Get("continue") == "":
			list(w, "ClusterRoleBindingList", "a token/+=", fmt.Sprintf(bind, "first"))
		case resource == "clusterrolebindings" && r.URL.Query().Get("continue") == "a token/+=":
			list(w, "ClusterRoleBindingList", "", fmt.Sprintf(bind, "second"))
		case resource == "roles":
			list(w, "RoleList", "", "")
		case resource == "rolebindings":
			list(w, "RoleBindingList", "", "")
		default:
			http.NotFound(w, r)
		}
	})
	objects, err := c.RBAC(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	grants, whole := objects.Grants(rbac.Reading())
	if !whole || len(grants) != 2 || grants[0].Subject.Name != "first" || grants[1].Subject.Name != "second" {
		t.Errorf("%t %+v", whole, grants)
	}
}

func TestAnAnswerThatIsNoListIsAnError(t *testing.T) {
	for want, answer := range map[string]http.HandlerFunc{
		"needs the right to list clusterroles":                             func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"401 Unauthorized: the API server does not accept the credentials": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) },
		"503 Service Unavailable":                                          func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) },
		"410 Gone":                                                         func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusGone) },
		"malformed JSON":                                                   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"kind": `) },
		"of another kind":                                                  func(w http.ResponseWriter, _ *http.Request) { list(w, "SecretList", "", "") },
		"neither protobuf nor JSON":                                        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"more than 2000 pages":                                             func(w http.ResponseWriter, _ *http.Request) { list(w, "ClusterRoleList", "again", "") },
		"302 Found": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusFound)
		},
	} {
		_, err := serving(t, answer).RBAC(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		} else if right := strings.Contains(err.Error(), "needs the right"); right != strings.HasPrefix(want, "needs the right") {
			t.Errorf("another right would not help: %v", err)
		}
	}
}

// A list that takes long outlives its revision, which etcd compacts every five minutes.
func TestAListIsBegunAgainOnce(t *testing.T) {
	asked := 0
	c := serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch resource := strings.TrimPrefix(r.URL.Path, "/apis/rbac.authorization.k8s.io/v1/"); {
		case resource == "clusterroles":
			list(w, "ClusterRoleList", "", role)
		case resource == "clusterrolebindings" && r.URL.Query().Get("continue") == "":
			list(w, "ClusterRoleBindingList", "next", fmt.Sprintf(bind, "first"))
		case resource == "clusterrolebindings":
			if asked++; asked == 1 {
				http.Error(w, "expired", http.StatusGone)
				return
			}
			list(w, "ClusterRoleBindingList", "", fmt.Sprintf(bind, "second"))
		case resource == "roles":
			list(w, "RoleList", "", "")
		default:
			list(w, "RoleBindingList", "", "")
		}
	})
	objects, err := c.RBAC(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if grants, whole := objects.Grants(rbac.Reading()); !whole || len(grants) != 2 || asked != 2 {
		t.Errorf("asked %d times: %+v", asked, grants)
	}
}
