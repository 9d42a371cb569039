package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

// A flag that was not read looks like one that is not set: no rule may judge the rest.
func TestNothingIsSaidOfAnIncompleteCommandLine(t *testing.T) {
	for _, id := range []string{"EA-421", "EA-422", "EA-423", "EA-424", "EA-425", "EA-426", "EA-427", "EA-428", "EA-429", "EA-430", "EA-431"} {
		n := controlplane.New(t)
		n.APIServer().NotEvaluated = "$KUBE_ARGS is in an EnvironmentFile that could not be read"
		n.APIServer().Config.Refused = "unknown shorthand flag"
		for _, r := range controlplane.Results(t, id, n.Facts) {
			if r.Status != check.NotEvaluated || !strings.Contains(r.Reason, "$KUBE_ARGS") || r.Remedy == "" {
				t.Errorf("%s: %v: %s%s", id, r.Status, r.Summary, r.Reason)
			}
		}
	}
}

func TestNoReportHasThePasswordOfAnAddress(t *testing.T) {
	const address = "http://root:hunter2@192.0.2.20:2379"
	n := controlplane.New(t)
	n.APIServer().Config.Etcds = []apiserverconfig.Etcd{{Servers: []string{address}}, {Resource: "/secrets", Servers: []string{address}}}
	n.APIServer().Config.Given["etcd-servers"] = []string{address}
	n.APIServer().Config.Given["etcd-servers-overrides"] = []string{"/secrets#" + address}
	n.Etcd().Config.ListenClient, n.Etcd().Config.ListenPeer, n.Etcd().Config.ListenMetrics = []string{address}, []string{address}, []string{address}
	for i := range n.Etcd().Config.Settings {
		n.Etcd().Config.Settings[i].Value = address
	}
	report := fmt.Sprint(check.Evaluate(rules.All(), n.Facts))
	if strings.Contains(report, "hunter2") || !strings.Contains(report, "://192.0.2.20") {
		at := max(strings.Index(report, "hunter2")-300, 0)
		t.Errorf("…%s", report[at:min(at+400, len(report))])
	}
}
