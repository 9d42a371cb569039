package main

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// canaries are secrets that are planted, by where.
type canaries map[string][]byte

// text plants a password: long enough not to be found by chance, and without a pattern that
// something could look for.
func (c canaries) text(where string) string {
	secret := make([]byte, 15)
	_, _ = rand.Read(secret)
	c[where] = []byte("pw" + base64.RawURLEncoding.EncodeToString(secret)) // 22 characters
	return string(c[where])
}

// key plants the key of a provider: 32 bytes, as base64.
func (c canaries) key(where string) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	c[where] = secret
	return base64.StdEncoding.EncodeToString(secret)
}

// pem plants a private key. What is looked for is its secret number.
func (c canaries) pem(t *testing.T, where string) string {
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	c[where] = testkit.Must(key.Bytes())(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: testkit.Must(x509.MarshalECPrivateKey(key))(t)}))
}

// in returns where canaries are found in a text: as they are, in hexadecimal, or in base64 at
// any alignment.
func (c canaries) in(text []byte) (found []string) {
	lower := bytes.ToLower(text)
	for where, secret := range c {
		forms := [][]byte{secret}
		for skip := range 3 {
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				// The characters that depend on what stands before and behind are left out.
				encoded := encoding.EncodeToString(append(make([]byte, skip), secret...))
				forms = append(forms, []byte(encoded[[3]int{0, 2, 3}[skip]:len(encoded)-3]))
			}
		}
		hit := bytes.Contains(lower, []byte(hex.EncodeToString(secret)))
		for _, form := range forms {
			hit = hit || bytes.Contains(text, form)
		}
		if hit {
			found = append(found, where)
		}
	}
	return found
}

// The search itself must find what is there.
func TestACanaryIsFoundInEveryForm(t *testing.T) {
	c := canaries{}
	secret := c.text("here")
	for before := range 5 {
		plain := []byte(strings.Repeat("x", before) + secret + "yz")
		for name, text := range map[string]string{
			"raw": string(plain), "base64": base64.StdEncoding.EncodeToString(plain), "base64 of URLs": base64.RawURLEncoding.EncodeToString(plain),
			"hexadecimal": hex.EncodeToString(plain), "upper case": strings.ToUpper(hex.EncodeToString(plain)),
		} {
			if len(c.in([]byte("a "+text+" b"))) != 1 {
				t.Errorf("%s behind %d: not found", name, before)
			}
		}
	}
	if found := c.in([]byte("nothing")); found != nil {
		t.Errorf("found %v", found)
	}
}

// plant puts a secret into every place of recorded nodes that may hold one.
func plant(t *testing.T) (planted canaries, nodes map[string]string) {
	c := canaries{}
	kubeadm, k3s, systemd := copyOf(t, filepath.Join(trees, "kubeadm")), copyOf(t, filepath.Join(trees, "k3s")), copyOf(t, filepath.Join(trees, "systemd"))
	add := func(tree, name, format string, args ...any) {
		edit(t, tree, name, func(s string) string { return s + fmt.Sprintf(format, args...) })
	}
	replace := func(tree, name, old, format string, args ...any) {
		edit(t, tree, name, func(s string) string { return strings.Replace(s, old, fmt.Sprintf(format, args...), 1) })
	}
	// Processes.
	add(kubeadm, "proc/2001/environ", "DB_PASSWORD=%s\x00", c.text("an etcd's environment"))
	add(kubeadm, "proc/2001/environ", "ETCD_OF_OURS=%s\x00", c.text("an unknown variable of etcd's environment"))
	add(kubeadm, "proc/2001/environ", "ETCD_DISCOVERY_PASSWORD=%s\x00", c.text("a password in etcd's environment"))
	add(kubeadm, "proc/2001/environ", "ETCD_DISCOVERY_TOKEN=%s\x00", c.text("a token in etcd's environment"))
	replace(kubeadm, "proc/2001/cmdline", "--listen-client-urls=https://", "--listen-client-urls=https://root:%s@", c.text("an address of etcd's flags"))
	replace(kubeadm, "proc/2001/cmdline", "--initial-cluster=cp-1=https://", "--initial-cluster=cp-1=https://root:%s@", c.text("a member's address in etcd's flags"))
	add(kubeadm, "proc/2002/environ", "AWS_SECRET_ACCESS_KEY=%s\x00", c.text("an API server's environment"))
	add(kubeadm, "proc/2002/cmdline", "--flag-of-a-later-release=%s\x00", c.text("an unknown flag of an API server"))
	add(kubeadm, "proc/2002/cmdline", "--another-flag\x00%s\x00", c.text("a word behind an unknown flag"))
	add(kubeadm, "proc/2002/cmdline", "--token-auth-file=/etc/kubernetes/pki/tokens.csv\x00--audit-webhook-config-file=/etc/kubernetes/audit/webhook.yaml\x00--authentication-config=/etc/kubernetes/pki/authn.yaml\x00")
	replace(kubeadm, "proc/2002/cmdline", "--etcd-servers=https://", "--etcd-servers=https://root:%s@", c.text("an address of an API server's flags"))
	// Manifests.
	for name, flag := range map[string]string{"etcd": "- --snapshot-count=10000", "kube-apiserver": "- --allow-privileged=true"} {
		manifest := "etc/kubernetes/manifests/" + name + ".yaml"
		replace(kubeadm, manifest, "    name: "+name+"\n    volumeMounts", "    env:\n    - {name: PASSWORD, value: %s}\n    name: "+name+"\n    volumeMounts", c.text("the environment in the manifest of "+name))
		replace(kubeadm, manifest, "  namespace: kube-system", "  namespace: kube-system\n  annotations: {note: %s}", c.text("an annotation of "+name))
		replace(kubeadm, manifest, "  hostNetwork: true", "  - {name: sidecar, command: [proxy, --password=%s]}\n  hostNetwork: true", c.text("a sidecar of "+name))
		add(kubeadm, manifest, "# %s\n", c.text("a comment in the manifest of "+name))
		replace(kubeadm, manifest, "    "+flag, "    "+flag+"\n    - --unknown-flag=%s", c.text("an unknown flag in the manifest of "+name))
	}
	// Files that these name, and files beside them.
	add(kubeadm, "etc/kubernetes/manifests/broken.yaml", "kind: Pod\nspec: {containers: [{command: [etcd, %q\n", c.text("a manifest that is no YAML"))
	edit(t, kubeadm, "etc/kubernetes/encryption/enc.yaml", func(string) string {
		return fmt.Sprintf("# %s\napiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n"+
			"  - aescbc: {keys: [{name: a, secret: %s}, {name: b, secret: %s}]}\n  - secretbox: {keys: [{name: s, secret: %s}]}\n  - identity: {}\n",
			c.text("a comment in the EncryptionConfiguration"), c.key("the first key of aescbc"), c.key("the second key of aescbc"), c.key("the key of secretbox"))
	})
	add(kubeadm, "etc/kubernetes/admin.conf", "kind: Config\nusers:\n- {name: a, user: {token: %s, password: %s, client-key-data: %s, client-certificate-data: aGk=}}\n# %s\n",
		c.text("a token in a kubeconfig"), c.text("a password in a kubeconfig"), base64.StdEncoding.EncodeToString([]byte(c.pem(t, "a key in a kubeconfig"))), c.text("a comment in a kubeconfig"))
	add(kubeadm, "etc/kubernetes/pki/tokens.csv", "%s,admin,1,system:masters\n", c.text("the token file"))
	add(kubeadm, "etc/kubernetes/audit/webhook.yaml", "kind: Config\nusers: [{name: a, user: {token: %s}}]\n", c.text("the kubeconfig of the audit webhook"))
	add(kubeadm, "etc/kubernetes/pki/authn.yaml", "jwt: [{issuer: {url: 'https://u:%s@idp'}}]\n", c.text("the AuthenticationConfiguration"))
	add(kubeadm, "etc/kubernetes/audit/policy.yaml", "# %s\nunknownField: %s\n", c.text("a comment in the audit policy"), c.text("an unknown field of the audit policy"))
	add(kubeadm, "etc/kubernetes/pki/etcd/server.key", "%s", c.pem(t, "etcd's private key"))
	add(kubeadm, "etc/kubernetes/pki/etcd/server.crt", "%s# %s\n", c.pem(t, "a key in the place of a certificate"), c.text("a text in the place of a certificate"))
	add(kubeadm, "etc/kubernetes/pki/etcd/peer.key", "password: %s\n", c.text("a text in the place of a key"))
	add(kubeadm, "etc/kubernetes/pki/sa.key", "%s", c.pem(t, "the service account key"))
	add(kubeadm, "etc/kubernetes/pki/ca.key", "%s", c.pem(t, "the key of the CA"))
	add(kubeadm, "var/lib/kubelet/config.yaml", "\nunknown: %s\n", c.text("the kubelet's configuration"))
	// k3s.
	add(k3s, "etc/rancher/k3s/config.yaml", "- of-ours=%s\nagent-token: %s\ndatastore-endpoint: postgres://k3s:%s@db:5432/k3s\n# %s\n",
		c.text("an unknown flag in k3s's configuration"), c.text("a token in k3s's configuration"), c.text("the address of k3s's database"), c.text("a comment in k3s's configuration"))
	replace(k3s, "etc/rancher/k3s/config.yaml", "made-up-token", "%s", c.text("the token in k3s's configuration"))
	add(k3s, "etc/rancher/k3s/config.yaml.d/broken.yaml", "token: [%q\n", c.text("a drop-in of k3s that is no YAML"))
	replace(k3s, "etc/systemd/system/k3s.service", "    server \\\n", "    server --token=%s --of-ours %s \\\n", c.text("a token in k3s's flags"), c.text("an unknown flag of k3s"))
	add(k3s, "etc/systemd/system/k3s.service.env", "K3S_TOKEN=%s\nK3S_DATASTORE_ENDPOINT=mysql://k3s:%s@tcp(db)/k3s\n", c.text("k3s's environment file"), c.text("the database in k3s's environment file"))
	edit(t, k3s, "var/lib/rancher/k3s/server/db/etcd/config", func(s string) string {
		return s + fmt.Sprintf("\nof-ours: %s\ndiscovery-config: {token: %s}\nlisten-client-http-urls: https://root:%s@127.0.0.1:2382\n# %s\n",
			c.text("an unknown key of etcd's file"), c.text("a token in etcd's file"), c.text("an address in etcd's file"), c.text("a comment in etcd's file"))
	})
	// systemd.
	add(systemd, "etc/etcd/etcd.conf", "TOKEN=%s\nETCD_ROOT_PASSWORD=%s\n", c.text("a variable in an environment file"), c.text("a variable with etcd's prefix in an environment file"))
	replace(systemd, "etc/systemd/system/etcd.service.d/10-tls.conf", "ETCD_DATA_DIR=/var/lib/etcd", "ETCD_DATA_DIR=/var/lib/etcd PASSWORD=%s \"ETCD_PASSWORD=%s\"", c.text("Environment= of a unit"), c.text("Environment= with etcd's prefix"))
	replace(systemd, "usr/lib/systemd/system/etcd.service", "Description=", "# %s\nX-Ours=%s\nDescription=", c.text("a comment in a unit"), c.text("an unknown setting of a unit"))
	replace(systemd, "etc/systemd/system/kube-apiserver.service", "--etcd-cafile", "--of-ours=%s --oidc-issuer-url=https://u:%s@idp --etcd-cafile", c.text("an unknown flag in a unit"), c.text("a password in an address of a known flag"))
	add(systemd, "etc/systemd/system/kube-apiserver.service", "ExecStartPre=/bin/login --password %s\n", c.text("another command of a unit"))
	return c, map[string]string{"kubeadm": kubeadm, "k3s": k3s, "systemd": systemd}
}

func TestNoSecretOfANodeIsInArchiveReportOrLog(t *testing.T) {
	planted, nodes := plant(t)
	if len(planted) < 25 {
		t.Fatalf("only %d canaries", len(planted))
	}
	refuse := func(what string, text []byte) {
		for _, where := range planted.in(text) {
			t.Errorf("%s: found in %s", where, what)
		}
	}
	for name, tree := range nodes {
		file := filepath.Join(t.TempDir(), name+".tar.gz")
		status, out, errs := run(t, "collect", "--root", tree, "--file", file)
		if status != 0 && status != 2 {
			t.Fatalf("%s: status %d, %s", name, status, errs)
		}
		refuse("what collect says of "+name, []byte(out+errs))
		packed := testkit.Must(os.ReadFile(file))(t)
		unpacked := testkit.Must(io.ReadAll(testkit.Must(gzip.NewReader(bytes.NewReader(packed)))(t)))(t)
		refuse("the archive of "+name, unpacked)
		if !bytes.Contains(unpacked, []byte(`"Etcds"`)) {
			t.Errorf("%s: that is no archive", name)
		}
		for _, output := range []string{"table", "json"} {
			for from, args := range map[string][]string{"the archive": {file}, "the tree": {"--root", tree}} {
				status, out, errs := run(t, append([]string{"host", "--output", output}, args...)...)
				if status == 3 || len(out) < 1000 {
					t.Fatalf("%s: status %d, %s", name, status, errs)
				}
				refuse("the "+output+" of "+name+" from "+from, []byte(out+errs))
			}
		}
	}
}

// A recorded tree may be read in another way than /proc.
func TestNoSecretOfARunningEtcdIsInItsArchive(t *testing.T) {
	planted := canaries{}
	bin := testkit.Must(components.Build(t.Context(), t.Output(), components.Etcd))(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "server.key")
	testkit.Check(t, os.WriteFile(key, []byte(planted.pem(t, "a private key")), 0o600))
	cmd := exec.CommandContext(t.Context(), bin.Path(components.Etcd), "--data-dir="+filepath.Join(dir, "data"), "--listen-client-urls=http://127.0.0.1:0", "--listen-peer-urls=http://127.0.0.1:0",
		"--advertise-client-urls=http://root:"+planted.text("an address")+"@127.0.0.1:1", "--peer-cert-file=/no/such", "--peer-key-file="+key)
	cmd.Env = []string{"DB_PASSWORD=" + planted.text("the environment of a process"), "ETCD_PASSWORD_OF_OURS=" + planted.text("a variable with etcd's prefix")}
	testkit.Check(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	// It must not end, nor go on to listen, while it is read.
	testkit.Check(t, cmd.Process.Signal(syscall.SIGSTOP))

	// Start returns while the kernel still builds the new process: its environment is empty then.
	var found []string
	for deadline := time.Now().Add(5 * time.Minute); len(found) != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %v reached the process", found)
		}
		found = planted.in(testkit.Must(os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid)))(t))
	}
	status, out, errs := run(t, "collect", "--file", "-")
	if status != 0 && status != 2 {
		t.Fatalf("status %d, %s", status, errs)
	}
	unpacked := testkit.Must(io.ReadAll(testkit.Must(gzip.NewReader(strings.NewReader(out)))(t)))(t)
	if !bytes.Contains(unpacked, []byte(filepath.Join(dir, "data"))) || !bytes.Contains(unpacked, []byte("ETCD_PASSWORD_OF_OURS")) {
		t.Error("the etcd is not in the archive")
	}
	if found := planted.in(append(unpacked, errs...)); found != nil {
		t.Errorf("found: %v", found)
	}
}
