package rules_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

// Configurations on which a search for one flag or key errs, merged as etcd merges them.
func TestConfigurationsOnWhichAFlagCheckErrs(t *testing.T) {
	const files = "--cert-file=/etc/etcd/server.pem --key-file=/etc/etcd/server-key.pem "
	const https = "--listen-client-urls=https://192.0.2.14:2379 --advertise-client-urls=https://192.0.2.14:2379 "
	const section = "client-transport-security:\n  cert-file: /etc/etcd/server.pem\n  key-file: /etc/etcd/server-key.pem\n  trusted-ca-file: /etc/etcd/ca.pem\n"
	const httpsFile = "listen-client-urls: https://192.0.2.10:2379\nadvertise-client-urls: https://192.0.2.10:2379\n"
	for name, tt := range map[string]struct {
		args, env, file string
		want            map[string]check.Status
		says            string // by one of them
	}{
		"variables of the process count like flags": {
			env:  "ETCD_LISTEN_CLIENT_URLS=https://0.0.0.0:4001 ETCD_ADVERTISE_CLIENT_URLS=https://a:4001 ETCD_CERT_FILE=a ETCD_KEY_FILE=b ETCD_TRUSTED_CA_FILE=c",
			want: map[string]check.Status{"EA-403": check.Pass, "EA-404": check.Pass},
		},
		"a bare boolean is true": {
			args: "--client-cert-auth --trusted-ca-file=/etc/etcd/ca.pem " + files + https,
			want: map[string]check.Status{"EA-403": check.Pass, "EA-404": check.Pass},
		},
		"etcd refuses a word after a boolean": {
			args: "--client-cert-auth true --trusted-ca-file=/etc/etcd/ca.pem " + files + https,
			want: map[string]check.Status{"EA-404": check.NotEvaluated, "EA-408": check.Fail}, says: `"true" is not a flag`,
		},
		"with a configuration file flags are void": {
			args: "--config-file=/etc/etcd/etcd.conf.yaml --client-cert-auth=true --trusted-ca-file=/etc/etcd/ca.pem " + files + https,
			file: "listen-client-urls: http://0.0.0.0:2379\nadvertise-client-urls: http://192.0.2.13:2379\n",
			want: map[string]check.Status{"EA-403": check.Fail, "EA-404": check.Fail, "EA-407": check.Fail}, says: "plaintext at http://0.0.0.0:2379",
		},
		"a CA alone is enough, whatever client-cert-auth says": {
			args: "--client-cert-auth=false --trusted-ca-file=/etc/etcd/ca.pem " + files + https,
			want: map[string]check.Status{"EA-404": check.Pass}, says: "the CA alone is enough",
		},
		"client-cert-auth alone takes any public CA": {
			args: "--client-cert-auth=true " + files + https,
			want: map[string]check.Status{"EA-404": check.Fail}, says: "system's roots",
		},
		"neither":                    {args: files + https, want: map[string]check.Status{"EA-404": check.Fail}, says: "not asked for"},
		"an http address beside TLS": {args: "--trusted-ca-file=ca " + files + "--listen-client-urls=https://192.0.2.14:2379,http://0.0.0.0:4001 --advertise-client-urls=https://192.0.2.14:2379", want: map[string]check.Status{"EA-403": check.Fail, "EA-404": check.Fail}, says: "http://0.0.0.0:4001"},
		"keys written flat are dropped": {
			file: "listen-client-urls: http://0.0.0.0:2379\nadvertise-client-urls: https://192.0.2.10:2379\ncert-file: a\nkey-file: b\ntrusted-ca-file: c\nclient-cert-auth: true\nauto-tls: false\n",
			want: map[string]check.Status{"EA-403": check.Fail, "EA-407": check.Fail}, says: "client-cert-auth",
		},
		"keys written flat, with https": {
			file: httpsFile + "cert-file: a\nkey-file: b\ntrusted-ca-file: c\n",
			want: map[string]check.Status{"EA-403": check.NotEvaluated, "EA-408": check.Fail}, says: "wants cert-file and key-file",
		},
		"ciphers and a revocation list inside the section": {
			file: httpsFile + section + "  client-crl-file: /etc/etcd/revoked.crl\n  cipher-suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n",
			want: map[string]check.Status{"EA-404": check.Pass, "EA-407": check.Fail, "EA-411": check.NotApplicable}, says: "client-crl-file",
		},
		"a revocation list at the top": {
			file: httpsFile + "client-crl-file: /etc/etcd/revoked.crl\ncipher-suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n" + section,
			want: map[string]check.Status{"EA-407": check.Fail, "EA-410": check.Pass, "EA-411": check.NotApplicable}, says: "client-crl-file",
		},
		// Real starts show this: Go's HTTP/2 server wants a suite with AES-128.
		"suites without one that HTTP/2 wants": {
			file: httpsFile + "client-crl-file: /etc/etcd/revoked.crl\ncipher-suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n" + section,
			want: map[string]check.Status{"EA-408": check.Fail, "EA-404": check.NotEvaluated}, says: "HTTP/2",
		},
		"suites as one string":     {file: httpsFile + "cipher-suites: TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\n" + section, want: map[string]check.Status{"EA-408": check.Fail, "EA-404": check.NotEvaluated}, says: "cipher"},
		"the program's field name": {file: httpsFile + "ClientTLSInfo:\n  CRLFile: /etc/etcd/revoked.crl\n" + section, want: map[string]check.Status{"EA-404": check.Pass}},
		"k3s": {
			file: "listen-client-urls: https://127.0.0.1:2379\nadvertise-client-urls: https://127.0.0.1:2379\nlisten-client-http-urls: https://127.0.0.1:2382\nlisten-metrics-urls: http://127.0.0.1:2381\nlisten-peer-urls: https://127.0.0.1:2380\n" +
				section + "  client-cert-auth: true\n  auto-tls: true\npeer-transport-security:\n  cert-file: a\n  key-file: b\n  client-cert-auth: true\n  trusted-ca-file: c\n",
			want: map[string]check.Status{"EA-403": check.Pass, "EA-404": check.Pass, "EA-405": check.Pass, "EA-406": check.Pass, "EA-407": check.Pass, "EA-409": check.Pass}, says: "not in force",
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := etcdconfig.Input{Release: etcdconfig.Release{Major: 3, Minor: 7}, Args: strings.Fields(tt.args), Env: strings.Fields(tt.env), File: []byte(tt.file)}
			n := controlplane.New(t)
			if tt.file != "" {
				n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
				if tt.args == "" {
					in.Args = []string{"--config-file=/etc/etcd/etcd.conf.yaml"}
				}
			}
			n.Etcd().Config = etcdconfig.Merge(in)
			if n.Etcd().Config.Refused != "" {
				n.Etcd().Process = nil
			}
			said := ""
			for id, want := range tt.want {
				for _, r := range controlplane.Results(t, id, n.Facts) {
					said += r.Summary + r.Reason + "\n"
					if r.Status != want {
						t.Errorf("%s is %v, want %v: %s%s", id, r.Status, want, r.Summary, r.Reason)
					}
				}
			}
			if !strings.Contains(said, tt.says) {
				t.Errorf("none says %q:\n%s", tt.says, said)
			}
		})
	}
}
