package hostconfig

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

func TestAKubeconfigIsKnownByWhatStandsInIt(t *testing.T) {
	cert, key, _ := issued(t)
	base := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	pair := "client-certificate-data: " + base(cert) + ", client-key-data: " + base(key)
	for name, tt := range map[string]struct {
		text         string
		is, secret   bool
		certificates int
	}{
		"with a token":            {"kind: Config\nusers:\n- user: {token: hunter2}\n", true, true, 0},
		"its kind in quotes":      {"kind: \"Config\"\nusers:\n- name: a\n  user: {token: hunter2}\n", true, true, 0},
		"lines of Windows":        {"kind: Config\r\nusers:\r\n- user: {token: hunter2}\r\n", true, true, 0},
		"in JSON":                 {`{"kind":"Config","users":[{"user":{"password":"hunter2"}}]}`, true, true, 0},
		"without its kind":        {"users:\n- user: {" + pair + "}\n", true, true, 1},
		"with a pair":             {"kind: Config\nusers:\n- user: {" + pair + "}\n", true, true, 1},
		"with a certificate only": {"kind: Config\nusers:\n- user: {client-certificate-data: " + base(cert) + ", client-key: /k}\n", true, false, 1},
		"of a provider":           {"kind: Config\nusers:\n- user: {auth-provider: {name: oidc, config: {refresh-token: hunter2}}}\n", true, true, 0},
		"with names of files":     {"kind: Config\nusers:\n- user: {tokenFile: /token, client-key: /k}\n# token: x\n", true, false, 0},
		"no base64":               {"kind: Config\nusers:\n- user: {client-certificate-data: '!', token: hunter2}\n", true, true, 0},
		"another kind":            {"kind: Pod\nusers:\n- user: {token: hunter2}\n", false, false, 0},
		"no YAML":                 {"users:\n\t- kind: Config\n", false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := read(t, node(t, map[string]string{"etc/kubernetes/x.conf": tt.text}))
			i := slices.IndexFunc(h.Kept, func(k facts.Kept) bool { return k.Path == "/etc/kubernetes/x.conf" })
			if (i >= 0) != tt.is || len(h.Certificates) != tt.certificates {
				t.Fatalf("%+v, %d certificates", h.Kept, len(h.Certificates))
			}
			if i >= 0 && (h.Kept[i].Use != facts.KubeconfigUse || (h.Kept[i].Secret != "") != tt.secret) {
				t.Errorf("%+v", h.Kept[i])
			}
		})
	}
	const many = "kind: Config\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\nusers: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"
	h := read(t, node(t, map[string]string{"etc/kubernetes/x.conf": many}))
	if !slices.ContainsFunc(h.Unread, func(m facts.Missing) bool { return strings.Contains(m.Why, "may be a kubeconfig") }) {
		t.Errorf("%+v", h.Unread)
	}
}

// A CA of the distribution may be named as etcd's, and 140 others lie beside it.
func TestTheDistributionsCAsAreNotThoseOfTheControlPlane(t *testing.T) {
	cert, _, _ := issued(t)
	files := map[string]string{
		"etc/systemd/system/etcd.service": "[Service]\nExecStart=/usr/bin/etcd --data-dir=/d --client-cert-auth --trusted-ca-file=/etc/ssl/certs/ca-certificates.crt\n",
	}
	for _, name := range []string{"ca-certificates.crt", "a.pem", "b.pem"} {
		files["etc/ssl/certs/"+name] = cert
	}
	h := read(t, node(t, files))
	if n := len(h.Etcds[0].Files["/etc/ssl/certs/ca-certificates.crt"].Certificates); n != 1 || len(h.Certificates) > 0 {
		t.Error(fmt.Sprint(n), h.Certificates)
	}
}
