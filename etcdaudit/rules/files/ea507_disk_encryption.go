package files

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func diskEncryption() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-507", Title: "The disks under etcd's data, write-ahead log and snapshots are encrypted", Severity: check.Low,
		Why:   "a disk that is replaced, sold or stolen has everything on it that was ever written, deleted values among them. Never sufficient alone: on a running node, in a snapshot and in a backup its encryption protects nothing",
		Reads: "the mount of each directory, and the block devices under it down to the disks; what a drive, a hypervisor or a cloud encrypts by itself cannot be seen from the node",
		Needs: []check.Need[facts.Facts]{need.Host, func(f facts.Facts) (check.Result, bool) {
			return check.Unevaluated("", "no data directory or snapshot of an etcd is known on this node", need.Visit(f.Host)), len(f.Host.Disks) > 0
		}},
		Run: judgeDisks,
	}
}

func judgeDisks(f facts.Facts) (results []check.Result) {
	for _, d := range f.Host.Disks {
		r := judgeDisk(d)
		r.Target, r.Identity = term.Printable(d.Use+" in "+d.Path), []string{f.Host.Node, d.Path}
		var layers []string
		for _, l := range d.Layers {
			layers = append(layers, fmt.Sprintf("%s (%s)", l.Name, l.Kind))
		}
		r.Evidence = []check.Evidence{{Source: term.Printable(d.Path), Seen: term.Printable(fmt.Sprintf("%s on %s at %s; block devices: %s", d.FileSystem, d.Source, d.Mount, strings.Join(layers, ", ")))}}
		results = append(results, r)
	}
	return results
}

func judgeDisk(d facts.Disk) check.Result {
	switch {
	case d.Encrypted:
		return check.Passed("", "everything that is written there is encrypted on the way to the disk; that protects a disk that is taken out, and is never sufficient alone")
	case d.Unknown != "":
		r := check.Unevaluated("", term.Printable(d.Unknown), term.Printable(d.Ask))
		r.Expected = true // no right and no input of this program shows it
		return r
	}
	return check.Warned("", "nothing encrypts on the way to the disk; a drive that encrypts by itself cannot be told from here",
		"move the directory to a LUKS2 volume (cryptsetup luksFormat), or find out whether the drive encrypts by itself and is locked without power; neither replaces an EncryptionConfiguration")
}
