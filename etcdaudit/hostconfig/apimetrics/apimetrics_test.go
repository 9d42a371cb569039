package apimetrics

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
)

const (
	failed = `apiserver_encryption_config_controller_automatic_reloads_total{apiserver_id_hash="sha256:00",status="failure"} 7
apiserver_encryption_config_controller_automatic_reloads_total{apiserver_id_hash="sha256:00",status="success"} 2
`
	inForce = `apiserver_encryption_config_controller_last_config_info{apiserver_id_hash="sha256:00",hash="sha256:ba48"} 1
`
)

func TestTheFileInForceIsKnownByItsHash(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want string
		ok   bool
	}{
		"refused reloads":             {"# a comment\n" + failed + inForce, "sha256:ba48 2 7 ", true},
		"two API servers":             {inForce + strings.ReplaceAll(inForce, "ba48", "ff"), "the metrics are of several", true},
		"an API server that is older": {"apiserver_request_total 1\n", "have no apiserver_encryption", true},
		"another program":             {"go_goroutines 8\n", "", false},
		"no metrics":                  {"<html>", "", false},
		"nothing":                     {"", "", false},
	} {
		m, err := Parse([]byte(tc.text))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
		if m != nil && !strings.Contains(fmt.Sprint(m.Hash, " ", m.Successes, " ", m.Failures, " ", m.Missing), tc.want) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestAKubeconfigIsUsedWithoutRunningPrograms(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" || r.Header.Get("Authorization") != "Bearer made-up-token" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, failed+inForce)
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
		"a wrong token":             {inline, "token: made-up", "needs the right to get"},
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
			m, err := Get(t.Context(), file)
			switch {
			case tc.want == "" && (err != nil || m.Hash != "sha256:ba48"):
				t.Errorf("%+v, %v", m, err)
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
		if _, err := Get(t.Context(), file); err == nil {
			t.Errorf("%q is a kubeconfig", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(failed + inForce))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse(text) })
}
