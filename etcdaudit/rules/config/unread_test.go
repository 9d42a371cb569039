package config_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

// Another node that holds a part of the control plane, or another file, is not the reason then.
func TestAManifestThatCannotBeReadIsTheReason(t *testing.T) {
	for file, ids := range map[string][]string{
		controlplane.Manifest + "etcd.yaml":           {"EA-403", "EA-404", "EA-408"},
		controlplane.Manifest + "kube-apiserver.yaml": {"EA-421", "EA-425", "EA-431"},
		"/etc/systemd/system/etcd.service":            {"EA-403"},
	} {
		n := controlplane.New(t)
		host := n.Facts.Host
		host.Unread = []facts.Missing{{What: "/var/lib/kubelet/pki", Why: "permission denied", Do: "run as root"}, {What: file, Why: "not a pod in YAML, near line 3"}}
		host.Setup.Visit = []string{"etcd: 192.0.2.20", "kube-apiserver: 192.0.2.1"}
		host.Etcds, host.APIServers = nil, nil
		for _, id := range ids {
			for _, r := range controlplane.Results(t, id, n.Facts) {
				if r.Status != check.NotEvaluated || !strings.Contains(r.Reason, file+" could not be read: not a pod") || r.Remedy == "" {
					t.Errorf("%s: %v %s (%s)", id, r.Status, r.Reason, r.Remedy)
				}
			}
		}
	}
}

func TestKineIsNotGuessedFromPartOfACommandLine(t *testing.T) {
	n := controlplane.New(t)
	controlplane.Kine.Change(n)
	n.APIServer().NotEvaluated = "the flags of k3s are not known"
	for _, r := range controlplane.Results(t, "EA-403", n.Facts) {
		if r.Status != check.NotEvaluated {
			t.Errorf("%v %s", r.Status, r.Reason)
		}
	}
}
