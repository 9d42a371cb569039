package kubeapi_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/kubeapi"
)

func get(t *testing.T, file string) (string, error) {
	t.Helper()
	c, err := kubeapi.Load(file)
	if err != nil {
		return "", err
	}
	defer c.Close()
	answer, err := c.Get(t.Context(), "/version", nil, "ask")
	return string(answer), err
}

func TestAKubeconfigIsUsedWithoutRunningPrograms(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/version" || r.Header.Get("Authorization") != "Bearer made-up-token" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, "an answer")
	}))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	dir := t.TempDir()
	for name, data := range map[string]string{"ca.crt": string(ca), "token": "made-up-token\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inline := "certificate-authority-data: " + base64.StdEncoding.EncodeToString(ca)
	for name, tc := range map[string]struct{ cluster, user, want string }{
		"a token":                   {inline, "token: made-up-token", ""},
		"a token in a file":         {"certificate-authority: ca.crt", "tokenFile: token", ""},
		"a wrong token":             {inline, "token: made-up", "needs the right to ask"},
		"no authority":              {"tls-server-name: example.com", "token: made-up-token", "certificate"},
		"a program":                 {inline, "exec: {command: /bin/true}", "which is not run here"},
		"a password":                {inline, "username: made-up-user, password: made-up-token", "a password"},
		"a key that does not match": {inline, "client-certificate-data: AAAA, client-key-data: AAAA", "do not belong together"},
		"a key that is not base64":  {inline, "client-key-data: made-up-token!", "not base64"},
		"a file that is not there":  {inline, "tokenFile: none", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "config")
			text := fmt.Sprintf("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters:\n- name: k\n  cluster:\n    server: %s\n    %s\nusers:\n- name: u\n  user: {%s}\n", server.URL, tc.cluster, tc.user)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			answer, err := get(t, file)
			switch {
			case tc.want == "" && (err != nil || answer != "an answer"):
				t.Errorf("%q, %v", answer, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v", err)
			case err != nil && strings.Contains(err.Error(), "made-up"):
				t.Errorf("a secret is in the error: %v", err)
			}
		})
	}
	for _, text := range []string{"", "\t", "current-context: c\n", "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"} {
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := kubeapi.Load(file); err == nil {
			t.Errorf("%q is a kubeconfig", text)
		}
	}
}
