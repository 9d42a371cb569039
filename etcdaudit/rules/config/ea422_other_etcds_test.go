package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestOtherEtcds(t *testing.T) {
	controlplane.Run(t, "EA-422",
		controlplane.Case{Name: "one etcd", Status: check.NotApplicable, Says: "there is one etcd"},
		controlplane.Case{Name: "events elsewhere", Change: func(n *controlplane.Node) {
			n.Facts.Stores = []facts.Store{{Scope: record.Scope{Sources: []record.Input{{Name: "https://127.0.0.1:2379"}}}}}
			n.APIServer().Config.Etcds = append(n.APIServer().Config.Etcds, apiserverconfig.Etcd{Resource: "/events", Servers: []string{"http://127.0.0.1:4002"}})
		}, Status: check.Warn, Says: "not looked at: /events in http://127.0.0.1:4002", Fix: "--endpoints http://127.0.0.1:4002"},
		controlplane.Case{Name: "Secrets elsewhere", Change: func(n *controlplane.Node) {
			n.Facts.Stores = []facts.Store{{Scope: record.Scope{Sources: []record.Input{{Name: "https://127.0.0.1:2379"}}}}}
			n.APIServer().Config.Etcds = append(n.APIServer().Config.Etcds, apiserverconfig.Etcd{Resource: "/secrets", Servers: []string{"https://192.0.2.20:2379", "https://192.0.2.21:2379"}})
		}, Status: check.Fail, Says: "Secrets are not in the etcd that was looked at", Fix: "--endpoints https://192.0.2.20:2379,https://192.0.2.21:2379"},
		controlplane.Case{Name: "Secrets elsewhere, and scanned", Change: func(n *controlplane.Node) {
			n.Facts.Stores = []facts.Store{{Scope: record.Scope{Sources: []record.Input{{Name: "https://192.0.2.21:2379"}}}}}
			n.APIServer().Config.Etcds = append(n.APIServer().Config.Etcds, apiserverconfig.Etcd{Resource: "/secrets", Servers: []string{"https://192.0.2.20:2379", "https://192.0.2.21:2379"}})
		}, Status: check.Pass, Says: "were scanned"},
		controlplane.Case{Name: "nothing was scanned", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Etcds = append(n.APIServer().Config.Etcds, apiserverconfig.Etcd{Resource: "/events", Servers: []string{"http://127.0.0.1:4002"}})
		}, Status: check.NotEvaluated, Says: "no etcd was scanned"},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
