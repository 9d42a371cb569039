package files_test

import (
	"io/fs"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestDirectoriesOnTheWay(t *testing.T) {
	const dir = "/var/lib"
	change := func(do func(*hostfacts.Path)) func(*controlplane.Node) {
		return func(n *controlplane.Node) {
			for _, k := range n.Facts.Host.Kept {
				for i := range k.Way {
					if k.Way[i].Name == dir {
						do(&k.Way[i].Path)
					}
				}
			}
		}
	}
	// /var/lib/etcd-backup is a directory of its own.
	at := func(c controlplane.Case) controlplane.Case {
		kept := c.Change
		c.Change = func(n *controlplane.Node) {
			n.Facts.Host.Kept = append(n.Facts.Host.Kept[:0], *n.Kept(controlplane.DataDir))
			if kept != nil {
				kept(n)
			}
		}
		c.Target = dir
		return c
	}
	controlplane.Run(t, "EA-504",
		at(controlplane.Case{Name: "of root", Status: check.Pass, Says: "0755, uid 0"}),
		at(controlplane.Case{Name: "everyone writes it", Change: change(func(p *hostfacts.Path) { p.Mode |= 0o002 }), Status: check.Fail, Says: "/var/lib can be written by everyone (drwxr-xrwx); on the way to /var/lib/etcd", Fix: "chmod o-w /var/lib"}),
		at(controlplane.Case{Name: "like /tmp", Change: change(func(p *hostfacts.Path) { p.Mode |= fs.ModeSticky | 0o002 }), Status: check.Warn, Says: "another process can take its place"}),
		at(controlplane.Case{Name: "of another user", Change: change(func(p *hostfacts.Path) { p.UID = 1000 }), Status: check.Fail, Says: "uid 1000, which is not root", Fix: "chown root /var/lib"}),
		at(controlplane.Case{Name: "of etcd's uid", Change: func(n *controlplane.Node) {
			n.Kept(controlplane.DataDir).Users[0].UID = 997
			change(func(p *hostfacts.Path) { p.UID = 997 })(n)
		}, Status: check.Pass, Says: "0755, uid 997"}),
		at(controlplane.Case{Name: "of a uid that is not known to be etcd's", Change: func(n *controlplane.Node) {
			n.Kept(controlplane.DataDir).Users[0].UID = -1
			change(func(p *hostfacts.Path) { p.UID = 997 })(n)
		}, Status: check.NotEvaluated, Says: "which uid its program runs as is not known", Expected: true}),
		at(controlplane.Case{Name: "a group writes it", Change: change(func(p *hostfacts.Path) { p.Mode, p.GID = p.Mode|0o020, 50 }), Status: check.Warn, Says: "group 50"}),
		at(controlplane.Case{Name: "a group of etcd writes it", Change: func(n *controlplane.Node) {
			n.Kept(controlplane.DataDir).Users[0].GIDs = []int{0, 50}
			change(func(p *hostfacts.Path) { p.Mode, p.GID = p.Mode|0o020, 50 })(n)
		}, Status: check.Pass}),
		at(controlplane.Case{Name: "a group writes it that is not known to be etcd's", Change: func(n *controlplane.Node) {
			n.Kept(controlplane.DataDir).Users[0].UID = -1
			change(func(p *hostfacts.Path) { p.Mode, p.GID = p.Mode|0o020, 50 })(n)
		}, Status: check.NotEvaluated, Says: "which groups its program has is not known", Expected: true}),
		at(controlplane.Case{Name: "not to be inspected", Change: change(func(p *hostfacts.Path) { *p = hostfacts.Path{Err: "permission denied"} }), Status: check.NotEvaluated, Says: "permission denied"}),
		controlplane.Case{Name: "a directory that is right for one of two files", Change: func(n *controlplane.Node) {
			// etcd owns what lies above the API server's EncryptionConfiguration as well.
			k, other := *n.Kept(controlplane.DataDir), *n.Kept(controlplane.Policy)
			k.Users[0].UID, other.Way = 997, k.Way
			n.Facts.Host.Kept = append(n.Facts.Host.Kept[:0], k, other)
			change(func(p *hostfacts.Path) { p.UID = 997 })(n)
		}, Target: dir, Status: check.Fail, Says: "on the way to " + controlplane.Policy},
		controlplane.Case{Name: "no file", Change: func(n *controlplane.Node) { n.Facts.Host.Kept = nil }, Status: check.NotEvaluated, Says: "no file of the control plane"},
		controlplane.Copied,
		controlplane.NoNode,
	)
}
