package hostconfig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/fingerprint"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/testkit"
)

// issued is a certificate and its key in PEM.
func issued(t *testing.T) (cert, key string, public *ecdsa.PublicKey) {
	t.Helper()
	k := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "c"}, NotAfter: time.Unix(1896000000, 0)}
	der := testkit.Must(x509.CreateCertificate(rand.Reader, template, template, k.Public(), k))(t)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", testkit.Must(x509.MarshalPKCS8PrivateKey(k))(t)), &k.PublicKey
}

func keyOf(t *testing.T, h *facts.Host, file, name string) facts.Key {
	t.Helper()
	i := slices.IndexFunc(h.Keys, func(k facts.Key) bool { return k.File == file && k.Name == name })
	if i < 0 {
		t.Fatalf("no key %s in %s: %+v", name, file, h.Keys)
	}
	return h.Keys[i]
}

func TestKeysAreDescribedAndNotKept(t *testing.T) {
	cert, key, public := issued(t)
	weak := testkit.Must(rsa.GenerateKey(rand.Reader, 1024))(t)
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	base := base64.StdEncoding.EncodeToString
	typed, hex := "abcdefghijklmnopqrstuvwxyz123456", "0123456789abcdef0123456789abcdef"
	entry := func(name string, secret []byte) string {
		return fmt.Sprintf("{name: %s, secret: %s}", name, base(secret))
	}
	kubeconfig := "kind: Config\nusers:\n"
	var publics []*ecdsa.PublicKey
	for i := range 2 {
		c, k, p := issued(t)
		publics = append(publics, p)
		kubeconfig += fmt.Sprintf("- name: u%d\n  user: {client-certificate-data: %s, client-key-data: %s}\n", i, base([]byte(c)), base([]byte(k)))
	}
	root := node(t, map[string]string{
		manifests + "kube-apiserver.yaml": "kind: Pod\nspec:\n  containers:\n  - command: [kube-apiserver, --encryption-provider-config=/e/enc.yaml, --tls-cert-file=/elsewhere/a.crt, --tls-private-key-file=/elsewhere/b/a.key]\n" +
			"    volumeMounts: [{mountPath: /e, name: e}, {mountPath: /elsewhere, name: f}]\n  volumes: [{name: e, hostPath: {path: /etc/enc}}, {name: f, hostPath: {path: /elsewhere}}]\n",
		"etc/enc/enc.yaml": "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n- resources: [secrets]\n  providers:\n  - aescbc: {keys: [" +
			entry("new", random) + "," + entry("old", random) + "," + entry("typed", []byte(typed)) + "," + entry("hex", []byte(hex)) + "," + entry("zero", make([]byte, 32)) + "]}\n" +
			"- resources: [configmaps]\n  providers: [{aescbc: {keys: [" + entry("new", random) + "]}}]\n",
		"elsewhere/a.crt": cert, "elsewhere/b/a.key": key,
		"etc/kubernetes/pki/weak.key":      string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(weak)})),
		"etc/kubernetes/pki/encrypted.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"etc/kubernetes/admin.conf":        kubeconfig,
	})
	prints := testkit.Must(fingerprint.FromFile(filepath.Join(root, "etc/kubernetes/admin.conf")))(t)
	h := testkit.Must(Read(t.Context(), Options{Root: root, Fingerprints: prints, Now: time.Unix(1796000000, 0)}))(t)

	tls := keyOf(t, h, "/elsewhere/b/a.key", "")
	if hash := facts.CertificateHash(hostCertificate(t, h, "/elsewhere/a.crt")); tls.Kind != "ECDSA P-256" || !slices.Equal(tls.Certificates, []string{hash}) || tls.HMAC != testkit.Must(prints.OfPublic(public))(t) || tls.FingerprintKey != prints.Name() || tls.Rights.Mode.Perm() != 0o600 {
		t.Errorf("%+v", tls)
	}
	for _, want := range []struct{ file, name, kind, weakness string }{
		{"/etc/kubernetes/pki/weak.key", "", "RSA 1024", "1024 bits are too few"},
		{"/etc/enc/enc.yaml", "aescbc new", "aescbc, 32 bytes", ""},
		{"/etc/enc/enc.yaml", "aescbc typed", "aescbc, 32 bytes", ""},
		{"/etc/enc/enc.yaml", "aescbc zero", "aescbc, 32 bytes", "all its bytes are equal"},
	} {
		if k := keyOf(t, h, want.file, want.name); k.Kind != want.kind || !strings.Contains(k.Weakness, want.weakness) || want.weakness == "" && k.Weakness != "" {
			t.Errorf("%+v, want %+v", k, want)
		}
	}
	fresh, old := keyOf(t, h, "/etc/enc/enc.yaml", "aescbc new"), keyOf(t, h, "/etc/enc/enc.yaml", "aescbc old")
	if fresh.HMAC != old.HMAC || fresh.HMAC != prints.Of(random) {
		t.Errorf("%s and %s are one key", fresh.HMAC, old.HMAC)
	}
	if k := keyOf(t, h, "/etc/kubernetes/pki/encrypted.key", ""); !k.Encrypted || k.HMAC != "" {
		t.Errorf("%+v", k)
	}
	var inKubeconfig []string
	for _, k := range h.Keys {
		if k.File == "/etc/kubernetes/admin.conf" {
			inKubeconfig = append(inKubeconfig, k.HMAC)
		}
	}
	if len(inKubeconfig) != 2 || inKubeconfig[1] != testkit.Must(prints.OfPublic(publics[1]))(t) || len(h.Keys) != 10 {
		t.Errorf("%d keys, those of the kubeconfig: %q", len(h.Keys), inKubeconfig)
	}
	text := string(testkit.Must(json.Marshal(h))(t))
	for _, secret := range []string{base(random), fmt.Sprintf("%x", random), typed, base([]byte(typed)), hex, strings.Split(key, "\n")[1]} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the facts", secret)
		}
	}
}

func hostCertificate(t *testing.T, h *facts.Host, file string) *x509.Certificate {
	t.Helper()
	for _, c := range h.Certificates {
		if c.File == file {
			return c.Certificate
		}
	}
	t.Fatalf("no certificate in %s", file)
	return nil
}

func keptAt(t *testing.T, h *facts.Host, path string) facts.Kept {
	t.Helper()
	i := slices.IndexFunc(h.Kept, func(k facts.Kept) bool { return k.Path == path })
	if i < 0 {
		t.Fatalf("%s is not kept: %+v", path, h.Kept)
	}
	return h.Kept[i]
}

// A user who can write to a directory with a link replaces the link.
func TestTheWayHasTheDirectoriesOfLinksAndOfWhatTheyLeadTo(t *testing.T) {
	cert, _, _ := issued(t)
	root := node(t, map[string]string{"data/pki/ca.crt": cert, "etc/kubernetes/x": "x"})
	testkit.Check(t, os.Symlink("/data/pki", filepath.Join(root, "etc/kubernetes/pki")))
	h := read(t, root)
	var names []string
	for _, d := range way(hostfacts.Tree{Root: h.Root}, "/etc/kubernetes/pki/ca.crt") {
		name := d.Name
		if d.Beside {
			name += " (beside)"
		}
		names = append(names, name)
		if !d.Exists {
			t.Errorf("%+v", d)
		}
	}
	if want := []string{"/", "/etc (beside)", "/etc/kubernetes (beside)", "/etc/kubernetes/pki (beside)", "/data", "/data/pki"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if k := keptAt(t, h, "/etc/kubernetes/pki/ca.crt"); k.Use != facts.CertificateUse {
		t.Errorf("%+v", k)
	}
}

func TestThePluginsFilesAreFoundByItsConfiguration(t *testing.T) {
	const config = "vault:\n  ca-file: /etc/kmsplugin/ca.crt\n  auth: {secret-id-file: /srv/secret-id}\nprevious:\n- vault: {auth: {token-file: /srv/token}}\n"
	files := map[string]string{"etc/kmsplugin/ca.crt": "x", "srv/secret-id": "x", "srv/token": "x", "var/lib/kmsplugin/s": "x"}
	for name, more := range map[string]map[string]string{
		"a unit": {"etc/systemd/system/kmsplugin.service": "[Service]\nExecStart=/usr/local/bin/kmsplugin serve --config /opt/k.yaml\n", "opt/k.yaml": config},
		"a pod": {manifests + "kms.yaml": "kind: Pod\nspec:\n  containers:\n  - image: example.com/sealproof/kmsplugin:v1\n    args: [serve, --config=/c/k.yaml]\n" +
			"    volumeMounts: [{mountPath: /c, name: c}, {mountPath: /srv, name: s}, {mountPath: /etc/kmsplugin, name: e}, {mountPath: /var/lib/kmsplugin, name: v}]\n" +
			"  volumes: [{name: c, hostPath: {path: /opt}}, {name: s, hostPath: {path: /srv}}, {name: e, hostPath: {path: /etc/kmsplugin}}, {name: v, hostPath: {path: /var/lib/kmsplugin}}]\n", "opt/k.yaml": config},
		"the usual place": {"etc/kmsplugin/config.yaml": config},
	} {
		t.Run(name, func(t *testing.T) {
			for f, text := range files {
				more[f] = text
			}
			h := read(t, node(t, more))
			for path, use := range map[string]facts.Use{"/etc/kmsplugin/ca.crt": facts.CertificateUse, "/srv/secret-id": facts.CredentialUse, "/srv/token": facts.CredentialUse, "/var/lib/kmsplugin": facts.StateUse} {
				if k := keptAt(t, h, path); k.Use != use || (use == facts.CertificateUse) != (k.Secret == "") || len(k.Users) != 1 {
					t.Errorf("%+v", k)
				}
			}
			if len(h.Etcds)+len(h.APIServers) > 0 || h.Setup.Kind != facts.Worker {
				t.Errorf("the plugin is taken for another program: %+v", h)
			}
		})
	}
}

func TestAKeyIsWeakOnlyWhereItCanBeFoundByTrying(t *testing.T) {
	for name, tt := range map[string]struct{ secret, weakness, doubt string }{
		"that of a guide":                 {"secret is secure", "text: it was typed or copied, and not made at random (105 bits", ""},
		"a long text":                     {"abcdefghijklmnopqrstuvwxyz123456", "", "(211 bits"},
		"hexadecimal digits":              {"0123456789abcdef0123456789abcdef", "", "hexadecimal digits (128 bits"},
		"a line of hexadecimal digits":    {"0123456789ABCDEF0123456789ABCDE\n", "hexadecimal digits (124 bits", ""},
		"digits, large and small":         {"0123456789abcdef0123456789ABCDEF", "", "text"},
		"one byte many times":             {strings.Repeat("\xff", 32), "all its bytes are equal", ""},
		"lines only":                      {"\n\n", "", ""},
		"none":                            {"", "", ""},
		"one byte that is no character":   {"abcdefghijklmnopqrstuvwxyz12345\x00", "", ""},
		"one byte that is no ASCII":       {"abcdefghijklmnopqrstuvwxyz12345\x80", "", ""},
		"a text with a tab and two lines": {"abcdefg\nijklmnop\trstuvwxyz12345", "", "text"},
	} {
		weakness, doubt := guessable([]byte(tt.secret))
		if !strings.Contains(weakness, tt.weakness) || !strings.Contains(doubt, tt.doubt) || (weakness == "") != (tt.weakness == "") || (doubt == "") != (tt.doubt == "") {
			t.Errorf("%s: %q, %q", name, weakness, doubt)
		}
	}
}
