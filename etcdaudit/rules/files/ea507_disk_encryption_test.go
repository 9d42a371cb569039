package files_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestDiskEncryption(t *testing.T) {
	disk := func(change func(*facts.Disk)) func(*controlplane.Node) {
		return func(n *controlplane.Node) { change(&n.Facts.Host.Disks[0]) }
	}
	controlplane.Run(t, "EA-507",
		controlplane.Case{Name: "LUKS", Status: check.Pass, Says: "never sufficient alone"},
		controlplane.Case{Name: "a plain disk", Change: disk(func(d *facts.Disk) { d.Encrypted = false }), Status: check.Warn, Says: "cannot be told from here", Fix: "LUKS2"},
		controlplane.Case{Name: "a virtual disk", Change: disk(func(d *facts.Disk) {
			d.Encrypted, d.Unknown, d.Ask = false, "a virtual disk (vda)", "ask the provider"
		}), Status: check.NotEvaluated, Says: "a virtual disk (vda)", Fix: "ask the provider", Expected: true},
		controlplane.Case{Name: "no data directory", Change: func(n *controlplane.Node) { n.Facts.Host.Disks = nil }, Status: check.NotEvaluated, Says: "no data directory"},
		controlplane.NoNode,
	)
}
