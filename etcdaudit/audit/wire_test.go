package audit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/controlplane"
)

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
