package audit_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/hostfacts"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestAReportListsKeysWithTheirCertificates(t *testing.T) {
	n := controlplane.New(t)
	h := n.Facts.Host
	h.Keys = append(h.Keys, facts.Key{File: controlplane.Policy, Name: "aescbc key1", Kind: "aescbc, 32 bytes", HMAC: "aa", FingerprintKey: "bb", Weakness: "it was typed", Rights: hostfacts.Path{Exists: true, Mode: 0o640, UID: 7}})
	r, err := audit.Run(t.Context(), audit.Options{Host: h, Groups: rules.Groups{Host: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM})
	if err != nil {
		t.Fatal(err)
	}
	last := r.PrivateKeys[len(r.PrivateKeys)-1]
	want := &auditv1.PrivateKey{Node: "node", File: controlplane.Policy + ": aescbc key1", Kind: "aescbc, 32 bytes", Hmac: "aa", FingerprintKey: "bb", Mode: "0640", Uid: 7, Weakness: "it was typed"}
	if len(r.PrivateKeys) != len(h.Keys) || !proto.Equal(last, want) {
		t.Errorf("%d keys, the last %v, want %v", len(r.PrivateKeys), last, want)
	}
	for _, c := range r.Certificates {
		ca := strings.HasSuffix(c.OnDisk[0], "/ca.crt")
		if c.Authority != ca || c.HasKey == ca {
			t.Errorf("%s: authority %t, key %t", c.OnDisk, c.Authority, c.HasKey)
		}
	}
	of := r.PrivateKeys[0].Certificates
	if len(of) != 1 || !slices.ContainsFunc(r.Certificates, func(c *auditv1.Certificate) bool { return c.Fingerprint == of[0] }) {
		t.Errorf("the first key is of %q, which the report does not list", of)
	}
}

// Neither is known to Go: a report would show numbers, beside names in the verdicts.
func TestAReportNamesSuitesAndGroupsAsTheRulesDo(t *testing.T) {
	n := controlplane.New(t)
	n.Client().Served.Suites[0x0303] = append(n.Client().Served.Suites[0x0303], 0x0066)
	n.Client().Served.Groups = []uint16{256}
	r, err := audit.Run(t.Context(), audit.Options{Wire: n.Facts.Wire, Groups: rules.Groups{Wire: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM})
	if err != nil {
		t.Fatal(err)
	}
	const suite, group = "TLS_DHE_DSS_WITH_RC4_128_SHA", "ffdhe2048"
	l := r.Listeners[0]
	if !slices.Contains(l.CipherSuites, suite) || !slices.Contains(l.Groups, group) {
		t.Errorf("%v %v", l.CipherSuites, l.Groups)
	}
	for id, name := range map[string]string{"EA-310": suite, "EA-312": group} {
		if said := check(t, r, id).Results[0].Summary; !strings.Contains(said, name) {
			t.Errorf("%s does not say %s: %s", id, name, said)
		}
	}
}
