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
		{"etcd elsewhere", "EA-601", func(r *auditv1.Report) { r.Configurations = r.Configurations[1:] }, true, inapplicable, "fewer than two", false},
		{"a flag that one API server lacks", "EA-602", func(r *auditv1.Report) { server(r).Settings = server(r).Settings[:0] }, false, fail, "--profiling differs: false on cp-1, cp-3; none on cp-2", false},
		{"an own address of the API server", "EA-602", func(r *auditv1.Report) { set(server(r), "advertise-address", "192.0.2.77", "--x") }, false, pass, "the same", false},
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
		{"keys under another fingerprint key", "EA-604", func(r *auditv1.Report) {
			otherFile(r)
			setKey(r, "/enc.yaml: aescbc k1", func(k *auditv1.PrivateKey) { k.FingerprintKey = "f2" })
		}, false, unevaluated, "cannot be compared", true},
		{"another CA", "EA-605", func(r *auditv1.Report) { r.Certificates[0].Fingerprint = "sha256:dddddddddddddddddddd" }, false, fail, "what it trusts differs", false},
		{"a CA that was not read", "EA-605", func(r *auditv1.Report) { r.Certificates = r.Certificates[1:] }, false, unevaluated, "no certificate is known of /pki/etcd/ca.crt on cp-2", false},
		{"one certificate for all", "EA-606", func(r *auditv1.Report) {
			r.Certificates[2].Fingerprint, r.Certificates[2].Subject = "sha256:same", "CN=etcd"
		}, true, fail, "it lies on cp-1, cp-2, cp-3", false},
		{"one name and serial, of CAs that each count from 1", "EA-606", func(r *auditv1.Report) {
			r.Certificates[2].Subject, r.Certificates[2].Serial = "CN=etcd", "1"
		}, true, pass, "none lies on more than one node", false},
		{"one key for all", "EA-606", func(r *auditv1.Report) {
			setKey(r, "/pki/etcd/server.key", func(k *auditv1.PrivateKey) { k.Hmac = "0000" })
		}, true, fail, "it lies on cp-1, cp-2, cp-3", false},
		{"nothing found", "EA-606", func(r *auditv1.Report) { r.Certificates, r.PrivateKeys = nil, nil }, true, unevaluated, "no certificate with its key", false},
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
