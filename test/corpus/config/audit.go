package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
)

// audit gathers what the auditor learns of an etcd: of the process in /proc and of its
// addresses, or, where it did not start, of a unit file with the same command line. Of a
// front only the address is known, as from another host.
func (l *liveEtcd) audit(ctx context.Context) (f facts.Facts, err error) {
	var targets []tlsprobe.Target
	switch {
	case l.Etcd.inFront():
		targets = []tlsprobe.Target{{Purpose: facts.ClientPort, URL: at("https", l.vars["client"]), Found: []string{"given"}}}
	default:
		if f.Host, err = l.readHost(ctx); err != nil {
			return f, err
		}
		for _, found := range hostconfig.Discover(f.Host).Listeners {
			targets = append(targets, tlsprobe.Target{Purpose: found.Purpose, URL: found.URL, Member: found.Member, Found: found.Found})
		}
	}
	f.Wire, err = l.probe(ctx, targets)
	return f, err
}

func (l *liveEtcd) readHost(ctx context.Context) (*facts.Host, error) {
	if l.process == nil {
		return l.readUnit(ctx)
	}
	h, err := hostconfig.Read(ctx, hostconfig.Options{Now: time.Now()})
	if err != nil {
		return nil, err
	}
	narrow(h, l.process.PID(), l.vars["dir"])
	if len(h.Etcds) != 1 {
		return nil, fmt.Errorf("%d etcds are found for process %d", len(h.Etcds), l.process.PID())
	}
	if users := l.Etcd.Users; users != "" {
		// A real API server would take minutes of all cases together. What it trusts stands in
		// its unit.
		beside, err := l.readTree(ctx, map[string][]byte{"etc/systemd/system/kube-apiserver.service": fmt.Appendf(nil,
			"[Service]\nExecStart=/usr/local/bin/kube-apiserver --client-ca-file=%s --etcd-servers=%s\n", l.file(users+".crt"), at("https", l.vars["client"]))})
		if err != nil {
			return nil, err
		}
		h.APIServers = beside.APIServers
	}
	return h, nil
}

// narrow leaves what belongs to one case: other cases run on this machine, and perhaps other
// programs.
func narrow(h *facts.Host, pid int, dir string) {
	other := func(p *facts.Process) bool { return p == nil || p.PID != pid }
	h.Etcds = slices.DeleteFunc(h.Etcds, func(e facts.Etcd) bool { return other(e.Process) })
	h.APIServers = slices.DeleteFunc(h.APIServers, func(a facts.APIServer) bool { return other(a.Process) })
	h.Certificates = slices.DeleteFunc(h.Certificates, func(c facts.Certificate) bool { return !strings.HasPrefix(c.File, dir+"/") })
	h.Setup.Visit, h.Unread = nil, nil
}

// readUnit reads a tree that holds the case's files, and a unit with its command line.
func (l *liveEtcd) readUnit(ctx context.Context) (*facts.Host, error) {
	var unit strings.Builder
	fmt.Fprintf(&unit, "[Service]\nExecStart=/usr/local/bin/etcd %s\n", strings.Join(l.args, " "))
	for _, e := range l.env {
		fmt.Fprintf(&unit, "Environment=%q\n", e)
	}
	tree := map[string][]byte{"etc/systemd/system/etcd.service": []byte(unit.String())}
	if l.Etcd.File != "" {
		tree[strings.TrimPrefix(l.vars["file"], "/")] = []byte(l.Etcd.File)
	}
	return l.readTree(ctx, tree)
}

// readTree reads a tree with these files, the case's certificates and its release of etcd.
func (l *liveEtcd) readTree(ctx context.Context, tree map[string][]byte) (*facts.Host, error) {
	root := filepath.Join(l.vars["dir"], "root")
	tree["etc/hostname"] = []byte("node\n")
	if err := writeFiles(root, tree); err != nil {
		return nil, err
	}
	// The program tells its release.
	program := filepath.Join(root, "usr/local/bin/etcd")
	if err := errors.Join(os.MkdirAll(filepath.Dir(program), 0o750), link(l.program, program)); err != nil {
		return nil, err
	}
	if err := os.CopyFS(filepath.Join(root, l.pki), os.DirFS(l.pki)); err != nil {
		return nil, err
	}
	return hostconfig.Read(ctx, hostconfig.Options{Root: root, Now: time.Now()})
}

// link gives a file a second name, or copies it where that is on another file system.
func link(file, name string) error {
	if os.Link(file, name) == nil {
		return nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // a program that was built for the tests
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600) //nolint:gosec // in a directory of the case
}

// probe connects as the case says.
func (l *liveEtcd) probe(ctx context.Context, targets []tlsprobe.Target) (*facts.Wire, error) {
	if len(targets) == 0 {
		return &facts.Wire{Now: time.Now(), Missing: []facts.Missing{{What: "addresses of etcd", Why: "none was found"}}}, nil
	}
	// A busy machine must not change a verdict: here only what hangs ends by a limit.
	limits := tlsprobe.Limits{Answer: time.Minute, Silence: 2 * time.Minute, Enumeration: 5 * time.Minute}
	c := tlsprobe.Config{Targets: targets, Enumerate: l.Etcd.Enumerate, Limits: limits}
	var err error
	if c.CA, err = tlsprobe.LoadCA(l.file("ca.crt")); err != nil {
		return nil, err
	}
	if own := l.control(); own != "" {
		identity, err := tlsprobe.LoadIdentity(tlsprobe.Own, l.file(own+".crt"), l.file(own+".key"))
		if err != nil {
			return nil, err
		}
		c.Own = &identity
	}
	known := map[string]string{}
	for _, name := range l.Etcd.Known {
		known[name] = name
	}
	if peer := l.Etcd.peer(); peer != "" && !l.Etcd.inFront() {
		known["peer"] = peer
	}
	for label, name := range known {
		identity, err := tlsprobe.LoadIdentity(label, l.file(name+".crt"), l.file(name+".key"))
		if err != nil {
			return nil, err
		}
		c.Given = append(c.Given, identity)
	}
	return tlsprobe.Run(ctx, c, func(tlsprobe.Target, facts.Exchange) {})
}
