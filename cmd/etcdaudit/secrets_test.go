package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/stored"
)

// Every place of a node in which a secret can stand has the canary.
func TestNoSecretOfANodeIsShown(t *testing.T) {
	const canary = stored.Canary
	encoded := base64.StdEncoding.EncodeToString([]byte(canary + canary + "xx")) // 32 bytes
	root := t.TempDir()
	authority, err := cluster.NewAuthority(filepath.Join(root, "etc/kubernetes/pki/etcd"), "etcd-ca")
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server("server")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(server.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"etc/kubernetes/manifests/etcd.yaml": `apiVersion: v1
kind: Pod
metadata: {name: etcd, namespace: kube-system}
spec:
  containers:
  - name: etcd
    image: registry.k8s.io/etcd:3.7.3-0
    command: [etcd, --listen-client-urls=https://127.0.0.1:2379, --advertise-client-urls=https://127.0.0.1:2379,
      --cert-file=/etc/kubernetes/pki/etcd/server.crt, --key-file=/etc/kubernetes/pki/etcd/server.key, --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt,
      --discovery-password=` + canary + `, --discovery-user=` + canary + `, --unknown-flag=` + canary + `]
    env:
    - {name: PASSWORD, value: ` + canary + `}
    - {name: ETCD_DISCOVERY_PASSWORD, value: ` + canary + `}
    - {name: ETCD_NO_SUCH_SETTING, value: ` + canary + `}
`,
		"etc/kubernetes/manifests/kube-apiserver.yaml": `apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers:
  - name: kube-apiserver
    command: [kube-apiserver, --etcd-servers=https://127.0.0.1:2379, --token-auth-file=/etc/kubernetes/tokens.csv,
      --encryption-provider-config=/etc/kubernetes/enc.yaml, --audit-webhook-config-file=/etc/kubernetes/webhook.yaml, --unknown-flag=` + canary + `]
    env: [{name: TOKEN, value: ` + canary + `}]
`,
		"etc/kubernetes/tokens.csv": canary + ",admin,1,system:masters\n",
		"etc/kubernetes/enc.yaml": "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n" +
			"  providers: [{aescbc: {keys: [{name: a, secret: " + encoded + "}]}}, {identity: {}}]\n",
		"etc/kubernetes/admin.conf": "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user: {token: " + canary + ", password: " + canary + ", client-key-data: " + base64.StdEncoding.EncodeToString(key) + "}\n",
		"proc/42/cmdline":           "/usr/bin/etcd\x00--name=a\x00--discovery-password\x00" + canary + "\x00",
		"proc/42/environ":           "ETCD_DISCOVERY_PASSWORD=" + canary + "\x00HOME=/" + canary + "\x00SECRET=" + canary + "\x00",
		"proc/42/comm":              "etcd\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secrets := []string{canary, encoded, base64.StdEncoding.EncodeToString([]byte(canary)), strings.Split(string(key), "\n")[1]}
	for _, command := range []string{"host", "all"} {
		for _, output := range []string{"table", "json"} {
			_, out, errs := run(t, command, "--root", root, "--output", output)
			if !strings.Contains(out, "EA-423") || !strings.Contains(out, "EA-428") {
				t.Errorf("%s: the node was not read: %s\n%s", command, errs, out)
			}
			for _, secret := range secrets {
				if i := strings.Index(out+errs, secret); i >= 0 {
					t.Errorf("%s, %s: a secret is shown: %.200s", command, output, (out + errs)[max(0, i-100):])
				}
			}
		}
	}
}
