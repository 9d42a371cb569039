package fleet_test

import (
	"strings"
	"testing"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Each case changes one of three equal nodes, cp-2, or all of them.
func TestDifferencesBetweenNodes(t *testing.T) {
	encryption := func(r *auditv1.Report) *auditv1.EncryptionConfiguration { return server(r).EncryptionFile }
	otherFile := func(r *auditv1.Report) { encryption(r).Hash = "sha256:f" }
	setKey := func(r *auditv1.Report, file string, change func(*auditv1.PrivateKey)) {
		for _, k := range r.PrivateKeys {
			if k.File == file {
				change(k)
			}
		}
	}
	// own gives a program a CA file of its own.
	own := func(r *auditv1.Report, c *auditv1.Configuration, setting string) {
		set(c, setting, "/pki/own.crt", "--"+setting)
		r.Certificates = append(r.Certificates, &auditv1.Certificate{Fingerprint: "sha256:eeeeeeeeeeeeeeeeeeee", Subject: "CN=own", OnDisk: []string{"/pki/own.crt"}, Authority: true})
	}
	for _, tt := range []struct {
		name, id string
		change   func(r *auditv1.Report)
		all      bool
		status   auditv1.Status
		says     string
		optional bool
	}{
		{"an etcd that demands no certificate", "EA-601", func(r *auditv1.Report) { set(etcd(r), "client-cert-auth", "false", "--client-cert-auth") }, false, fail, "--client-cert-auth differs: true on cp-1, cp-3; false on cp-2", false},
		{"its own address", "EA-601", func(r *auditv1.Report) { set(etcd(r), "listen-client-urls", "https://192.0.2.77:2379", "--x") }, false, pass, "the same on cp-1, cp-2, cp-3", false},
		{"a default of another release", "EA-601", func(r *auditv1.Report) {
			etcd(r).Release = "3.7"
			set(etcd(r), "max-txn-ops", "256", "default of etcd 3.7")
		}, false, pass, "the same", false},
		{"two etcds on one node", "EA-601", func(r *auditv1.Report) { r.Configurations = append(r.Configurations, etcd(r)) }, false, unevaluated, "cp-2 has more than one etcd", false},
		{"two etcds on one node, one of which differs", "EA-601", func(r *auditv1.Report) {
			r.Configurations = append(r.Configurations, &auditv1.Configuration{Program: "etcd", Node: "cp-2", Settings: []*auditv1.Setting{{Name: "auto-tls", Value: "true", Origin: "--auto-tls"}}})
		}, false, unevaluated, "cp-2 has more than one etcd", false},
		{"an etcd of whose settings one is known", "EA-601", func(r *auditv1.Report) {
			etcd(r).Unknown = "its file cannot be read"
			set(etcd(r), "auto-tls", "true", "--auto-tls")
		}, false, unevaluated, "the settings of etcd on cp-2 are not known", false},
		{"an etcd whose settings are not known", "EA-601", func(r *auditv1.Report) {
			etcd(r).Unknown, etcd(r).Settings = "its file cannot be read", nil
		}, false, unevaluated, "the settings of etcd on cp-2 are not known: its file cannot be read", false},
		{"an API server whose flags are not known", "EA-602", func(r *auditv1.Report) { server(r).Unknown = "a unit" }, false, unevaluated, "on cp-2 are not known: a unit", false},
		{"API servers whose flags are not known", "EA-605", func(r *auditv1.Report) { server(r).Unknown = "a unit" }, true, unevaluated, "on cp-1 are not known: a unit", false},
		{"etcd elsewhere", "EA-601", func(r *auditv1.Report) { r.Configurations = r.Configurations[1:] }, true, inapplicable, "fewer than two", false},
		{"a flag that one API server lacks", "EA-602", func(r *auditv1.Report) { server(r).Settings = server(r).Settings[:0] }, false, fail, "--profiling differs: false on cp-1, cp-3; none on cp-2", false},
		{"an own address of the API server", "EA-602", func(r *auditv1.Report) { set(server(r), "advertise-address", "192.0.2.77", "--x") }, false, pass, "the same", false},
		{"a revocation list on one node alone", "EA-601", func(r *auditv1.Report) { set(etcd(r), "client-crl-file", "/pki/crl", "--x") }, false, fail, "--client-crl-file differs: none on cp-1, cp-3; a file on cp-2", false},
		{"a revocation list at a place of each node's own", "EA-601", func(r *auditv1.Report) {
			set(etcd(r), "client-crl-file", "/pki/"+r.Scopes[0].Node, "--x")
		}, true, pass, "the same", false},
		{"its own name and directories, and a certificate at another place", "EA-601", func(r *auditv1.Report) {
			for _, name := range []string{"name", "data-dir", "wal-dir", "initial-cluster", "cert-file", "key-file", "trusted-ca-file"} {
				set(etcd(r), name, "/"+r.Scopes[0].Node, "--x")
			}
		}, true, pass, "the same", false},
		{"a setting of another release that is written", "EA-601", func(r *auditv1.Report) {
			etcd(r).Release = "3.7"
			set(etcd(r), "max-txn-ops", "256", "--max-txn-ops")
		}, false, fail, "--max-txn-ops differs", false},
		{"another default of the same release", "EA-601", func(r *auditv1.Report) { set(etcd(r), "max-txn-ops", "256", "default of etcd 3.6") }, false, fail, "--max-txn-ops differs", false},
		{"a file of keys for tokens on one node alone", "EA-602", func(r *auditv1.Report) { set(server(r), "service-account-key-file", "/pki/sa.pub", "--x") }, false, fail, "--service-account-key-file differs: none on cp-1, cp-3; a file on cp-2", false},
		{"a CA of logins on one node alone", "EA-602", func(r *auditv1.Report) { set(server(r), "oidc-ca-file", "/pki/oidc.crt", "--x") }, false, fail, "--oidc-ca-file differs", false},
		{"a flag that ends like a file of certificates", "EA-602", func(r *auditv1.Report) { set(server(r), "tls-sni-cert-key", "/pki/sni.crt", "--x") }, false, fail, "--tls-sni-cert-key differs", false},
		{"a certificate at another place", "EA-602", func(r *auditv1.Report) { set(server(r), "tls-cert-file", "/pki/own.crt", "--x") }, false, pass, "the same", false},
		{"a difference beside a node with two etcds", "EA-601", func(r *auditv1.Report) {
			if r.Scopes[0].Node == "cp-3" {
				r.Configurations = append(r.Configurations, etcd(r))
			}
			set(etcd(r), "auto-tls", r.Scopes[0].Node, "--x")
		}, true, fail, "--auto-tls differs: cp-1 on cp-1; cp-2 on cp-2", false},
		{"another version of etcd", "EA-603", func(r *auditv1.Report) { etcd(r).Version = "3.6.4" }, false, fail, "the version of etcd differs: 3.6.5 on cp-1, cp-3; 3.6.4 on cp-2", false},
		{"a version that is not known", "EA-603", func(r *auditv1.Report) { server(r).Version = "" }, false, unevaluated, "not known on cp-2", true},
		{"no EncryptionConfiguration on one node", "EA-604", func(r *auditv1.Report) { server(r).EncryptionFile = nil }, false, fail, "none on cp-2", false},
		{"on none", "EA-604", func(r *auditv1.Report) { server(r).EncryptionFile = nil }, true, pass, "no API server has one", false},
		{"one that cannot be read", "EA-604", func(r *auditv1.Report) { encryption(r).Problem = "permission denied" }, false, unevaluated, "cp-2: permission denied", false},
		{"another order of providers", "EA-604", func(r *auditv1.Report) {
			otherFile(r)
			encryption(r).Rules[0].Providers = []string{"identity", "aescbc k1"}
		}, false, fail, "what the file says differs", false},
		{"another key of the same name", "EA-604", func(r *auditv1.Report) {
			otherFile(r)
			setKey(r, "/enc.yaml: aescbc k1", func(k *auditv1.PrivateKey) { k.Hmac = "e2" })
		}, false, fail, "the set of keys differs", false},
		{"another comment only", "EA-604", otherFile, false, pass, "rules and keys are the same", false},
		{"another comment, of KMS", "EA-604", func(r *auditv1.Report) {
			encryption(r).Hash += r.Scopes[0].Node
			encryption(r).Rules[0].Providers = []string{"kms v2 vault", "identity"}
		}, true, pass, "the bytes of the files differ", false},
		{"another KMS plugin of the same name", "EA-604", func(r *auditv1.Report) {
			encryption(r).Hash += r.Scopes[0].Node
			encryption(r).Rules[0].Providers = []string{"kms v2 vault at unix:///run/" + r.Scopes[0].Node}
		}, true, fail, "what the file says differs", false},
		{"keys without a fingerprint key, and a file that differs", "EA-604", func(r *auditv1.Report) {
			encryption(r).Hash += r.Scopes[0].Node
			for _, k := range r.PrivateKeys {
				k.FingerprintKey = ""
			}
		}, true, unevaluated, "cannot be compared", true},
		{"a key without its HMAC", "EA-604", func(r *auditv1.Report) {
			otherFile(r)
			setKey(r, "/enc.yaml: aescbc k1", func(k *auditv1.PrivateKey) { k.Hmac = "" })
		}, false, unevaluated, "cannot be compared", true},
		{"a service account key whose flag is not given", "EA-607", func(r *auditv1.Report) { server(r).Settings = nil }, false, unevaluated, "not known on cp-2", true},
		{"a service account key that was not read", "EA-607", func(r *auditv1.Report) { r.PrivateKeys = nil }, false, unevaluated, "not known on cp-2", true},
		{"keys under another fingerprint key", "EA-604", func(r *auditv1.Report) {
			otherFile(r)
			setKey(r, "/enc.yaml: aescbc k1", func(k *auditv1.PrivateKey) { k.FingerprintKey = "f2" })
		}, false, unevaluated, "cannot be compared", true},
		{"another CA", "EA-605", func(r *auditv1.Report) { r.Certificates[0].Fingerprint = "sha256:dddddddddddddddddddd" }, false, fail, "what it trusts differs", false},
		{"another CA, of the peers", "EA-605", func(r *auditv1.Report) { own(r, etcd(r), "peer-trusted-ca-file") }, false, fail, "what it trusts differs", false},
		{"another CA, for the API server's clients", "EA-605", func(r *auditv1.Report) { own(r, server(r), "client-ca-file") }, false, fail, "what it trusts differs", false},
		{"another CA, for etcd's servers", "EA-605", func(r *auditv1.Report) { own(r, server(r), "etcd-cafile") }, false, fail, "what it trusts differs", false},
		{"another CA, for proxies", "EA-605", func(r *auditv1.Report) { own(r, server(r), "requestheader-client-ca-file") }, false, fail, "what it trusts differs: none on cp-1, cp-3", false},
		{"a CA in a bundle that is trusted", "EA-605", func(r *auditv1.Report) { r.Certificates[1].TrustedIn = []string{"/pki/etcd/ca.crt"} }, false, fail, "what it trusts differs", false},
		{"no CA on one node", "EA-605", func(r *auditv1.Report) { set(etcd(r), "trusted-ca-file", "", "--x") }, false, fail, "none on cp-2", false},
		{"no CA on any", "EA-605", func(r *auditv1.Report) {
			for _, setting := range []string{"trusted-ca-file", "peer-trusted-ca-file"} {
				set(etcd(r), setting, "", "default")
			}
			server(r).Settings = nil
		}, true, inapplicable, "--trusted-ca-file is set for no etcd", false},
		{"a CA that was not read", "EA-605", func(r *auditv1.Report) { r.Certificates = r.Certificates[1:] }, false, unevaluated, "no certificate is known of /pki/etcd/ca.crt on cp-2", false},
		{"one certificate for all", "EA-606", func(r *auditv1.Report) {
			r.Certificates[2].Fingerprint, r.Certificates[2].Subject = "sha256:same", "CN=etcd"
		}, true, fail, "it lies on cp-1, cp-2, cp-3", false},
		{"one name and serial, of CAs that each count from 1", "EA-606", func(r *auditv1.Report) {
			r.Certificates[2].Subject, r.Certificates[2].Serial = "CN=etcd", "1"
		}, true, pass, "none of those that were found lies on more than one node", false},
		{"one key for all", "EA-606", func(r *auditv1.Report) {
			setKey(r, "/pki/etcd/server.key", func(k *auditv1.PrivateKey) { k.Hmac = "0000" })
		}, true, fail, "it lies on cp-1, cp-2, cp-3", false},
		{"nothing found", "EA-606", func(r *auditv1.Report) { r.Certificates, r.PrivateKeys = nil, nil }, true, unevaluated, "no certificate with its key was found on cp-1", false},
		{"nothing found on one node", "EA-606", func(r *auditv1.Report) { r.Certificates = nil }, false, unevaluated, "no certificate with its key was found on cp-2", false},
		{"a certificate without its key on one node", "EA-606", func(r *auditv1.Report) { r.Certificates[2].HasKey = false }, false, unevaluated, "no certificate with its key was found on cp-2", false},
		{"a CA in the place of a certificate", "EA-606", func(r *auditv1.Report) { r.Certificates[2].Authority = true }, false, unevaluated, "no certificate with its key was found on cp-2", false},
		{"a node without programs", "EA-606", func(r *auditv1.Report) { r.Configurations, r.Certificates, r.PrivateKeys = nil, nil, nil }, false, pass, "none of those", false},
		{"nodes without programs", "EA-606", func(r *auditv1.Report) { r.Configurations = nil }, true, inapplicable, "presents a certificate", false},
		{"a CA's key on all nodes, which no program presents", "EA-606", func(r *auditv1.Report) {
			r.PrivateKeys = append(r.PrivateKeys, &auditv1.PrivateKey{File: "/pki/ca.key", Hmac: "ca", FingerprintKey: "f1"})
		}, true, pass, "none of those", false},
		{"a key that was not read on any node", "EA-606", func(r *auditv1.Report) {
			setKey(r, "/pki/etcd/server.key", func(k *auditv1.PrivateKey) { k.Hmac = "" })
		}, true, pass, "none of those", false},
		{"a fingerprint key of each node's own", "EA-606", func(r *auditv1.Report) {
			setKey(r, "/pki/etcd/server.key", func(k *auditv1.PrivateKey) { k.FingerprintKey = r.Scopes[0].Node })
		}, true, unevaluated, "certificates alone were compared", true},
		{"the same, and one certificate for all", "EA-606", func(r *auditv1.Report) {
			r.Certificates[2].Fingerprint, r.Certificates[2].Subject = "sha256:same", "CN=etcd"
			setKey(r, "/pki/etcd/server.key", func(k *auditv1.PrivateKey) { k.FingerprintKey = r.Scopes[0].Node })
		}, true, fail, "it lies on cp-1, cp-2, cp-3", false},
		{"one certificate twice on each node", "EA-606", func(r *auditv1.Report) {
			set(etcd(r), "peer-cert-file", "/pki/etcd/peer.crt", "--x")
			r.Certificates[2].OnDisk = append(r.Certificates[2].OnDisk, "/pki/etcd/peer.crt")
		}, true, pass, "none of those", false},
		{"another service account key", "EA-607", func(r *auditv1.Report) { setKey(r, "/pki/sa.key", func(k *auditv1.PrivateKey) { k.Hmac = "5b" }) }, false, fail, "the key differs", false},
		{"one under another fingerprint key", "EA-607", func(r *auditv1.Report) {
			setKey(r, "/pki/sa.key", func(k *auditv1.PrivateKey) { k.FingerprintKey = "f2" })
		}, false, unevaluated, "not comparable", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reports := three()
			for i, r := range reports {
				if tt.all || i == 0 {
					tt.change(r)
				}
			}
			c := checkOf(t, merged(t, reports...), tt.id)
			if c.Status != tt.status || !strings.Contains(c.Summary, tt.says) {
				t.Errorf("%v %s\nwant %v %q\n%v", c.Status, c.Summary, tt.status, tt.says, c.Results)
			}
			for _, r := range c.Results {
				if r.Status == fail && (r.Remediation == "" || r.Fingerprint == "" || len(r.Evidence) == 0) {
					t.Errorf("a finding without remedy, fingerprint or evidence: %v", r)
				}
				if r.Status == tt.status && r.Optional != tt.optional {
					t.Errorf("optional %t: %v", r.Optional, r)
				}
			}
		})
	}
}
