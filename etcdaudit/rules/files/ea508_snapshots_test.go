package files_test

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestRecentSnapshot(t *testing.T) {
	folder := func(change func(*facts.SnapshotFolder)) func(*controlplane.Node) {
		return func(n *controlplane.Node) { change(&n.Facts.Host.Snapshots[0]) }
	}
	controlplane.Run(t, "EA-508",
		controlplane.Case{Name: "an hour old", Target: "age", Status: check.Pass, Says: "1h0m0s old"},
		controlplane.Case{Name: "too old", Change: folder(func(s *facts.SnapshotFolder) { s.Written = controlplane.Now.Add(-25 * time.Hour) }), Target: "age", Status: check.Fail, Says: "25h0m0s old, and may be 24h0m0s", Fix: "no newer one"},
		controlplane.Case{Name: "from the future", Change: folder(func(s *facts.SnapshotFolder) { s.Written = controlplane.Now.Add(5000 * time.Hour) }), Target: "age", Status: check.NotEvaluated, Says: "a time that is 5000h0m0s after"},
		controlplane.Case{Name: "by a clock that is a minute ahead", Change: folder(func(s *facts.SnapshotFolder) { s.Written = controlplane.Now.Add(time.Minute) }), Target: "age", Status: check.Pass},
		controlplane.Case{Name: "an empty folder", Change: folder(func(s *facts.SnapshotFolder) { s.Copies = 0 }), Target: "age", Status: check.Fail, Says: "no snapshot in it", Fix: "etcdctl snapshot save"},
		controlplane.Case{Name: "a folder that cannot be read", Change: folder(func(s *facts.SnapshotFolder) { s.Copies, s.Err = 0, "permission denied" }), Target: "age", Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "sent to S3", Target: "elsewhere", Status: check.Pass, Says: "whether they arrive is not seen"},
		controlplane.Case{Name: "on this node only", Change: folder(func(s *facts.SnapshotFolder) { s.Remote, s.Here = "", "etcd-s3 is not set" }), Target: "elsewhere", Status: check.Warn, Says: "etcd-s3 is not set", Fix: "etcd-s3"},
		controlplane.Case{Name: "nothing tells where else", Change: folder(func(s *facts.SnapshotFolder) { s.Remote = "" }), Target: "elsewhere", Status: check.NotEvaluated, Says: "cannot be seen", Expected: true},
		controlplane.Case{Name: "none", Change: func(n *controlplane.Node) { n.Facts.Host.Snapshots = nil }, Status: check.NotEvaluated, Says: "a job elsewhere", Fix: "--snapshot-dir", Expected: true},
		controlplane.Copied,
		controlplane.NoNode,
	)
}
