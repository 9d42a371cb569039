package hostconfig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// identity is a certificate with its key, and an empty revocation list of it.
type identity struct{ cert, key, sec1, crlDER, crlPEM string }

func newIdentity(t *testing.T, name string) (id identity) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotAfter: time.Unix(1<<31, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Unix(1, 0), NextUpdate: time.Unix(1796000000, 0), RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(9), RevocationTime: time.Unix(1, 0)}}}
	crl, err := x509.CreateRevocationList(rand.Reader, list, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return identity{block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8), block("EC PRIVATE KEY", sec1), string(crl), block("X509 CRL", crl)}
}

func TestFilesAreWhatTheyShouldBeOrNot(t *testing.T) {
	a, b := newIdentity(t, "a"), newIdentity(t, "b")
	encrypted := "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n"
	const none = "(nothing)"
	for name, tc := range map[string]struct{ cert, key, wantCert, wantKey string }{
		"as they should be":              {a.cert, a.key, none, none},
		"a key in SEC 1":                 {a.cert, a.sec1, none, none},
		"parameters before the key":      {a.cert, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + a.sec1, none, none},
		"both in one file":               {a.cert + a.key, a.cert + a.key, none, none},
		"swapped":                        {a.key, a.cert, "a private key is in the place of a certificate", "a certificate is in the place of the key"},
		"the key of another certificate": {a.cert, b.key, none, "the key is of another certificate"},
		"an encrypted key":               {a.cert, encrypted, none, "the key is encrypted"},
		"an encrypted key in PKCS 8":     {a.cert, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", none, "the key is encrypted"},
		"a damaged key":                  {a.cert, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", none, "the key cannot be read"},
		"not PEM":                        {"text", "text", "not PEM", "not PEM"},
		"empty":                          {"", "\n", "it is empty", "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			root := node(t, map[string]string{
				manifests + "etcd.yaml": "kind: Pod\nspec:\n  containers:\n  - image: etcd:3.6.5\n    command: [etcd, --cert-file=/in/c, --key-file=/in/k, --listen-client-urls=https://127.0.0.1:2379, --advertise-client-urls=https://127.0.0.1:2379]\n" +
					"    volumeMounts: [{name: v, mountPath: /in}]\n  volumes: [{name: v, hostPath: {path: /srv}}]\n",
				"srv/c": tc.cert, "srv/k": tc.key,
			})
			files := read(t, root).Etcds[0].Files
			for file, want := range map[string]string{"c": tc.wantCert, "k": tc.wantKey} {
				f := files["/in/"+file]
				if got := f.ContentErr; got != strings.ReplaceAll(want, none, "") || !f.Exists || f.At != "/srv/"+file {
					t.Errorf("%s: %q, %+v", file, got, f.At)
				}
			}
		})
	}
}

func TestRevocationListsAreReadInBothEncodings(t *testing.T) {
	id := newIdentity(t, "ca")
	list := func(text string) facts.File {
		return read(t, node(t, map[string]string{
			"etc/systemd/system/etcd.service": "[Service]\nExecStart=/usr/bin/etcd --client-crl-file=/c --cert-file=/x --key-file=/x --listen-client-urls=https://127.0.0.1:2379 --advertise-client-urls=https://127.0.0.1:2379\n",
			"c":                               text,
		})).Etcds[0].Files["/c"]
	}
	for encoding, text := range map[string]string{"DER": id.crlDER, "PEM": id.crlPEM, "": id.cert} {
		f := list(text)
		if f.CRL != encoding || (encoding == "") != (f.ContentErr != "") || encoding != "" && (f.Revoked != 1 || f.NextUpdate.Unix() != 1796000000) {
			t.Errorf("%s: %+v", encoding, f)
		}
		if f.ReadErr != "" {
			t.Errorf("%s was read, and is said not to be: %s", encoding, f.ReadErr)
		}
	}
	// etcd has no such limit, and may read it.
	if f := list(strings.Repeat("x", 2<<20)); f.ReadErr == "" {
		t.Errorf("a list that was not read looks like a file that is none: %+v", f)
	}
}

func TestCertificatesAreFoundWithWhetherTheirKeysAreHere(t *testing.T) {
	a, b, inline := newIdentity(t, "a"), newIdentity(t, "b"), newIdentity(t, "inline")
	kubeconfig := fmt.Sprintf("kind: Config\nusers:\n- user: {client-certificate-data: %s, client-key-data: %s}\n", encode(inline.cert), encode(inline.key))
	root := node(t, map[string]string{
		"etc/kubernetes/pki/a.crt": a.cert, "etc/kubernetes/pki/etcd/a-elsewhere.key": a.key,
		"etc/kubernetes/pki/etcd/b.crt": b.cert, "etc/kubernetes/admin.conf": kubeconfig,
	})
	if err := symlink(root, "/etc/kubernetes/pki/etcd", "etc/etcd"); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range read(t, root).Certificates {
		got[c.File] = fmt.Sprint(c.Subject.CommonName, " ", c.HasKey, " ", c.Inline)
	}
	want := map[string]string{"/etc/kubernetes/pki/a.crt": "a true false", "/etc/kubernetes/pki/etcd/b.crt": "b false false", "/etc/kubernetes/admin.conf": "inline true true"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
}

func TestAFileOfTheImageIsNotTakenForOneOfTheHost(t *testing.T) {
	root := node(t, map[string]string{manifests + "etcd.yaml": etcdPod, "d/member": ""})
	if f := read(t, root).Etcds[0].Files["/d"]; f.Exists || !strings.Contains(f.Err, "in the container's image") {
		t.Errorf("%+v", f)
	}
}

func TestSocketsOfKMSProvidersAreFoundThroughVolumes(t *testing.T) {
	root := node(t, map[string]string{
		manifests + "api.yaml": "kind: Pod\nspec:\n  containers:\n  - command: [kube-apiserver, --etcd-servers=https://127.0.0.1:2379, --encryption-provider-config=/e/c.yaml]\n" +
			"    volumeMounts: [{name: e, mountPath: /e}, {name: r, mountPath: /run/kms}]\n  volumes: [{name: e, hostPath: {path: /srv}}, {name: r, hostPath: {path: /var/run/plugin}}]\n",
		"srv/c.yaml":   "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - kms: {apiVersion: v2, name: a, endpoint: 'unix:///run/kms/s'}\n  - kms: {apiVersion: v2, name: b, endpoint: 'unix:///@abstract'}\n",
		"run/plugin/s": "",
	})
	if err := symlink(root, "/run", "var/run"); err != nil {
		t.Fatal(err)
	}
	a := read(t, root).APIServers[0]
	s := a.Sockets["unix:///run/kms/s"]
	if !s.Exists || s.Dir != "/var/run/plugin" || len(s.Way) != 3 { // /, /run, /run/plugin
		t.Errorf("%+v; %+v", s, a.Encryption)
	}
	if s := a.Sockets["unix:///@abstract"]; s.Exists || s.Dir != "" {
		t.Errorf("%+v", s)
	}
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func symlink(root, target, name string) error {
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.Symlink(target, file)
}

func TestFilesAboutAccessAreReadThroughVolumes(t *testing.T) {
	const pod = "kind: Pod\nspec:\n  containers:\n  - command: [kube-apiserver, --etcd-servers=https://127.0.0.1:2379, --authorization-config=/e/z.yaml, --authentication-config=/e/n.yaml]\n" +
		"    volumeMounts: [{name: e, mountPath: /e}]\n  volumes: [{name: e, hostPath: {path: /srv}}]\n"
	a := onlyAPIServer(t, read(t, node(t, map[string]string{
		manifests + "api.yaml": pod,
		"srv/z.yaml":           "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers: [{type: RBAC, name: rbac}]\n",
		"srv/n.yaml":           "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: {enabled: true, conditions: [{path: /livez}]}\n",
	})))
	if got := a.Authorization; got.Path != "/e/z.yaml" || got.Err != "" || !slices.Equal(got.Types, []string{"RBAC"}) {
		t.Errorf("%+v", got)
	}
	if got := a.Authentication; got.Path != "/e/n.yaml" || got.Err != "" || got.Anonymous == nil || !got.Anonymous.Enabled || !slices.Equal(got.Anonymous.Paths, []string{"/livez"}) {
		t.Errorf("%+v", got)
	}
	h := read(t, node(t, map[string]string{manifests + "api.yaml": pod, "srv/n.yaml": "anonymous: hunter2"}))
	a = onlyAPIServer(t, h)
	if a.Authorization.Err == "" || a.Authentication.Err == "" || a.Authentication.Anonymous != nil || strings.Contains(a.Authentication.Err, "hunter2") {
		t.Errorf("%+v, %+v", a.Authorization, a.Authentication)
	}
	if !slices.ContainsFunc(h.Unread, func(m facts.Missing) bool { return m.What == "/e/z.yaml" }) {
		t.Errorf("the file is not among what could not be read: %+v", h.Unread)
	}
}

func TestArgumentsOfK3sTakeThePlaceOfItsAuthorization(t *testing.T) {
	for arg, want := range map[string][]string{
		"v=1":                            {"Node", "RBAC"},
		"authorization-mode=AlwaysAllow": {"AlwaysAllow"},
		"authorization-config=/f":        nil,
		"authorization-policy-file=":     {"Node", "RBAC"},
	} {
		a := onlyAPIServer(t, read(t, k3sNode(t, map[string]string{k3sService: "[Service]\nExecStart=/usr/local/bin/k3s server --kube-apiserver-arg=" + arg + "\n"})))
		if got := a.Config.AuthorizationModes; !slices.Equal(got, want) || a.Config.Refused != "" {
			t.Errorf("%s: %v %s", arg, got, a.Config.Refused)
		}
	}
}

func TestTheWayToASocketOfThisHostIsInspected(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "kms.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config, err := encryptionconfig.Parse([]byte("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers: [{kms: {apiVersion: v2, name: a, endpoint: 'unix://" + socket + "'}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := facts.APIServer{Encryption: &facts.EncryptionFile{Config: config}, Sockets: map[string]facts.Socket{}}
	r := &reader{tree: hostfacts.Tree{Root: "/"}, host: &facts.Host{Live: true}}
	r.sockets(start{}, &a)
	s := a.Sockets["unix://"+socket]
	if s.Err != "" || s.Kind() != "socket" || s.UID != os.Geteuid() || s.Dir != dir {
		t.Errorf("%+v", s)
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Count(resolved, "/") + 1; len(s.Way) != want || !s.Way[want-1].Mode.IsDir() || s.Way[want-1].UID != os.Geteuid() {
		t.Errorf("%d directories, not %d: %+v", len(s.Way), want, s.Way)
	}
}
