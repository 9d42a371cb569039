package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// aescbc encrypts an object as an API server does with a key of stored.Keys.
func aescbc(t *testing.T, name, object string) string {
	t.Helper()
	padding := aes.BlockSize - len(object)%aes.BlockSize
	padded := append([]byte(object), bytes.Repeat([]byte{byte(padding)}, padding)...)
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv)
	block := testkit.Must(aes.NewCipher([]byte(stored.KeyBytes)))(t)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	return "k8s:enc:aescbc:v1:" + name + ":" + string(iv) + string(padded)
}

// What the node's API server is configured with opens the values of its etcd, but for sockets of
// a node that is elsewhere.
func TestANodesOwnKeysOpenItsValues(t *testing.T) {
	e := startEtcd(t)
	secret := func(name string) string {
		return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"` + name + `","namespace":"default"},"data":{"p":"` + stored.Canary + `"}}`
	}
	put(t, e, "namespaces/default", stored.Plaintext)
	put(t, e, "secrets/default/a", aescbc(t, "k1", secret("a")))
	put(t, e, "secrets/default/b", aescbc(t, "k1", secret("a")))
	put(t, e, "secrets/default/c", stored.KMSv2("p", "k", 1))
	root, files := t.TempDir(), e.ClientFiles()
	for name, text := range map[string]string{
		"pki/ca.crt": string(testkit.Must(os.ReadFile(files.CA))(t)), "pki/client.crt": string(testkit.Must(os.ReadFile(files.Cert))(t)), "pki/client.key": string(testkit.Must(os.ReadFile(files.Key))(t)),
		"enc.yaml": stored.Head + stored.Entry("secrets", stored.Keys("aescbc", "k1"), stored.KMS("v2", "p"), stored.Identity),
		"manifests/kube-apiserver.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver}\nspec:\n  containers:\n  - name: kube-apiserver\n    command: [kube-apiserver, --etcd-servers=" + e.Endpoints()[0] +
			", --etcd-cafile=/k/pki/ca.crt, --etcd-certfile=/k/pki/client.crt, --etcd-keyfile=/k/pki/client.key, --encryption-provider-config=/k/enc.yaml]\n" +
			"    volumeMounts: [{name: k, mountPath: /k}]\n  volumes: [{name: k, hostPath: {path: /etc/kubernetes}}]\n",
	} {
		path := filepath.Join(root, "etc/kubernetes", name)
		testkit.Check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		testkit.Check(t, os.WriteFile(path, []byte(text), 0o600))
	}
	noEtcdctl(t)
	status, out, errs := run(t, "scan", "--verify", "--root", root, "--output", "json")
	var r auditv1.Report
	if err := protojson.Unmarshal([]byte(out), &r); err != nil || status != 1 {
		t.Fatalf("status %d, %v: %s", status, err, errs)
	}
	if !strings.Contains(errs, "values are opened with what "+filepath.Join(root, "etc/kubernetes/enc.yaml")+" names") || strings.Contains(errs, "DEK sources are unwrapped") || !strings.Contains(errs, "not by the plugins at [") {
		t.Errorf("stderr: %s", errs)
	}
	one := r.GetVerification().GetVerified()
	if len(one) != 1 || one[0].Opened != 3 || one[0].NotEvaluated != 1 || one[0].Different != 1 || len(r.Verification.Unwrappers) != 0 {
		t.Errorf("%v", r.Verification)
	}
	if c := checkOf(t, &r, "EA-143"); c.Status != auditv1.Status_STATUS_FAIL || c.Results[0].Objects[0].Name != "b" || c.Results[0].Objects[0].Detail != "holds Secret default/a" {
		t.Errorf("%v", c)
	}
	if c := checkOf(t, &r, "EA-141"); c.Status != auditv1.Status_STATUS_NOT_EVALUATED || !strings.Contains(c.Summary, "nothing was given that opens KMS v2") {
		t.Errorf("%v", c)
	}
	if strings.Contains(out+errs, stored.Canary) || strings.Contains(out+errs, stored.Key()) || strings.Contains(out+errs, stored.KeyBytes) {
		t.Error("a secret is shown")
	}
}

// The first mistake is named alone, as the flag that it is in.
func TestAMistakeAboutTheTransitKeyIsOneLine(t *testing.T) {
	scan, register := []string{"scan", "--verify", "--transit", file(t, "")}, []string{"key-usage", "--vault-key", "k", file(t, "")}
	token := func(text string) []string {
		return []string{"--vault-address", "https://127.0.0.1:1", "--vault-key", "k", "--vault-token-file", file(t, text)}
	}
	none, pem := token(" \n"), token("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for _, tc := range []struct {
		call, args []string
		says       string
	}{
		{scan, nil, "vault-address: give Vault's URL, such as https://vault.example.com:8200\n"},
		{register, nil, "vault-address: give Vault's URL, such as https://vault.example.com:8200\n"},
		{scan, append(token("token"), "--vault-ca-file", file(t, "no certificate")), "vault-ca-file: "},
		{scan, none, "vault-token-file: " + none[5] + " is empty\n"},
		{register, none, "vault-token-file: " + none[5] + " is empty\n"},
		{scan, pem, "vault-token-file: " + pem[5] + " does not hold one plain value (is it wrapped, JSON or PEM?)\n"},
	} {
		status, _, errs := run(t, append(tc.call, tc.args...)...)
		if status != 3 || !strings.HasPrefix(errs, "etcdaudit: "+tc.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v %v: status %d: %s", tc.call, tc.args, status, errs)
		}
	}
}

func TestATokenThatOthersCanReadIsWarnedOf(t *testing.T) {
	token := file(t, "token")
	etcd := []string{"--endpoints", "http://127.0.0.1:1", "--vault-address", "https://127.0.0.1:1", "--vault-key", "k", "--vault-token-file", token}
	scan, register := slices.Concat(etcd, []string{"--verify", "--transit", "--unwrap-timeout", "50ms"}), slices.Concat(etcd, []string{"--timeout", "50ms"})
	for _, tc := range []struct {
		command string
		args    []string
		mode    os.FileMode
		warned  bool
	}{{"scan", scan, 0o600, false}, {"scan", scan, 0o640, true}, {"scan", scan, 0o604, true}, {"key-usage", register, 0o600, false}, {"key-usage", register, 0o640, true}} {
		testkit.Check(t, os.Chmod(token, tc.mode))
		_, _, errs := run(t, append([]string{tc.command}, tc.args...)...)
		if strings.Contains(errs, "vault-token-file: "+token+" has mode ") != tc.warned || strings.Contains(errs, "unknown flag") {
			t.Errorf("%s, mode %o: %s", tc.command, tc.mode, errs)
		}
	}
}

func TestAnInterruptedCallToASilentVaultIsOneLine(t *testing.T) {
	l := testkit.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer func() { testkit.Check(t, l.Close()) }()
	ctx, interrupt := context.WithCancel(t.Context())
	go func() { // says nothing to who connects, and the operator presses Ctrl-C
		if c, err := l.Accept(); err == nil {
			defer func() { _ = c.Close() }()
			interrupt()
			<-t.Context().Done()
		}
	}()
	var errs bytes.Buffer
	a := &auditRun{stderr: &errs}
	a.Vault = vaultPart{Address: []string{"https://" + l.Addr().String()}, Mount: "transit", Key: "k", TokenFile: file(t, "token")}
	a.Verify = verifyPart{UnwrapRate: 1, UnwrapTimeout: 10 * time.Minute}
	v := &opener{auditRun: a}
	defer v.close()
	if err := v.transit(ctx); err == nil || !strings.HasPrefix(err.Error(), "reach Vault: interrupted") || errs.Len() > 0 {
		t.Errorf("%v; %s", err, &errs)
	}
}

func TestASocketIsNamedOnce(t *testing.T) {
	if status, _, errs := run(t, "scan", "--endpoints", "http://127.0.0.1:1", "--plugin-socket", "/run/a", "--plugin-socket", "unix:///run/a"); status != 3 || !strings.Contains(errs, "plugin-socket: unix:///run/a is named twice\n") {
		t.Errorf("status %d: %s", status, errs)
	}
}
