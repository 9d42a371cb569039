package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/apimetrics"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/kubeapi"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/fingerprint"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// auditRun is one run of a command that makes a report.
type auditRun struct {
	settings
	config string // the file of the settings; empty for none
	groups rules.Groups
	// forKeys is set for a register of keys.
	forKeys bool
	// out is where the report goes.
	out outputs
	// archives are files of collect, in the place of a host, and paths etcd's own files, in
	// the place of a running etcd.
	archives, paths []string
	// given tells flags of the call from what else settings come from; nil for no call.
	given          func(flag string) bool
	getenv         func(string) string
	stdout, stderr io.Writer
	// node is what of the host has to do with the given endpoints, and found what it tells of
	// etcd; empty where no host was read. chosen is set where the endpoints are from there.
	node   *facts.Host
	found  hostconfig.Discovered
	chosen bool
	// copies are the folders of the host that have copies of etcd's data, and setup is how its
	// control plane was set up.
	copies []string
	setup  facts.Setup
}

// do is the whole run, from the settings to the exit status.
func (a *auditRun) do(ctx context.Context) error {
	a.TLS.Plan = a.TLS.Plan && a.groups.Wire // a file or a variable may set it for other commands
	a.groups.Verify = a.Verify.Verify && a.groups.Data
	if err := a.refuseMisuse(); err != nil {
		return err
	}
	failOn, err := a.validate(report.Formats(), slices.Concat(a.inputs(a.config), named(a.paths, true), named(a.archives, false)))
	if err != nil {
		return err
	}
	accepted, err := a.Output.accepted()
	if err := cmp.Or(err, a.validateFiles()); err != nil {
		return err
	}
	o := audit.Options{
		Groups: a.groups, CurrentKeyID: a.Scan.CurrentKeyID, FailOn: failOn, Strict: a.Output.Strict,
		Tool: toolOf(),
	}
	if o.KeySources, err = a.keySources(ctx); err != nil {
		return err
	}
	read := a.here
	switch {
	case len(a.archives) > 0:
		read = a.evaluate
	case len(a.paths) > 0:
		read = a.files
	}
	r, err := read(ctx, o)
	if err != nil || r == nil {
		return err
	}
	if err := a.Output.settle(r, accepted, failOn, time.Now()); err != nil {
		return cli.Usage(err)
	}
	return finish(a.out, r, a.stdout, a.getenv)
}

// here audits this node and its etcd. There is no report where a plan was asked for.
func (a *auditRun) here(ctx context.Context, o audit.Options) (r *auditv1.Report, err error) {
	a.node = &facts.Host{}
	if a.groups.Wire || a.groups.Host || len(a.Connection.Endpoints) == 0 {
		if o.Host, err = a.host(ctx); err != nil {
			return nil, err
		}
		if err := a.out.apart(a.onNode(o.Host)); err != nil {
			return nil, err
		}
	}
	a.choose()
	if a.TLS.Plan {
		return nil, a.plan(ctx)
	}
	var keys keyring.Keyring
	defer keys.Clear()
	if o.EncryptionFile = a.encryptionFile(); o.EncryptionFile != "" {
		if o.Encryption, err = encryptionconfig.LoadWithKeys(o.EncryptionFile, keys.Opener); err != nil {
			return nil, cli.Usage(err)
		}
	}
	o.Timeline = a.timeline(o.Encryption)
	forget, err := a.verification(ctx, &o, &keys)
	defer forget()
	if err != nil {
		return nil, err
	}
	if a.groups.Wire {
		if o.Wire, err = a.wire(ctx); err != nil {
			return nil, err
		}
	}
	if a.API.Kubeconfig != "" {
		o.API = a.rbac
	}
	if r, err = a.report(ctx, o); err != nil {
		return nil, exitOf(err)
	}
	a.tell(o.Verify)
	return r, nil
}

// finish writes a report everywhere, and gives the exit status that goes with it.
func finish(out outputs, r *auditv1.Report, stdout io.Writer, getenv func(string) string) error {
	if err := out.write(func(w io.Writer, f report.Format, c term.Colours) error { return report.Write(w, f, r, c) }, stdout, getenv); err != nil {
		return cli.Exit(report.ExitNotEvaluated, err)
	}
	if status := report.ExitStatus(r); status != report.ExitPass {
		return cli.Exit(status, nil)
	}
	return nil
}

// host reads this node, or the tree of --root.
func (a *auditRun) host(ctx context.Context) (*facts.Host, error) {
	o := hostconfig.Options{Root: a.Node.Root, SnapshotDirs: a.Host.SnapshotDirs, MaxSnapshotAge: a.Host.MaxSnapshotAge, Now: time.Now()}
	if a.groups.Host {
		var err error
		if o.Metrics, o.NoMetrics, err = a.metrics(ctx); err != nil {
			return nil, err
		}
	}
	if a.Host.FingerprintKey != "" {
		var err error
		if o.Fingerprints, err = fingerprint.FromFile(a.Host.FingerprintKey); err != nil {
			return nil, cli.Usage(err)
		}
	}
	h, err := hostconfig.Read(ctx, o)
	switch {
	case ctx.Err() != nil:
		return nil, exitOf(fmt.Errorf("read this node: interrupted: %w", context.Cause(ctx)))
	case err != nil:
		return nil, cli.Usage(fmt.Errorf("root: %w", err))
	}
	a.node = concerned(h, a.Connection.Endpoints)
	a.found, a.copies, a.setup = hostconfig.Discover(a.node), hostconfig.Copies(h), h.Setup
	return h, nil
}

// concerned leaves of a host what has to do with the given endpoints; all of it without any.
// Another etcd of this machine is not touched.
func concerned(h *facts.Host, endpoints []string) *facts.Host {
	if len(endpoints) == 0 {
		return h
	}
	part := facts.Host{}
	given := func(u string) bool { return slices.Contains(endpoints, u) }
	for _, e := range h.Etcds {
		if slices.ContainsFunc(hostconfig.Endpoints(e), given) || slices.ContainsFunc(e.Config.ListenClient, given) {
			part.Etcds = append(part.Etcds, e)
		}
	}
	for _, s := range h.APIServers {
		if slices.ContainsFunc(s.Config.Etcds, func(e apiserverconfig.Etcd) bool { return slices.ContainsFunc(e.Servers, given) }) {
			part.APIServers = append(part.APIServers, s)
		}
	}
	return &part
}

// metrics reads the API server's, if the settings say where they are.
func (a *auditRun) metrics(ctx context.Context) (m *apimetrics.Metrics, missing string, err error) {
	switch {
	case len(a.Metrics.APIServers) > 1:
		return nil, "the metrics of several API servers were given, and which are this node's is not known", nil
	case len(a.Metrics.APIServers) == 1:
		m, err = apimetrics.ReadFile(a.Metrics.APIServers[0])
	case a.API.Kubeconfig != "":
		m, err = apimetrics.Get(ctx, a.API.Kubeconfig)
	default:
		return nil, "the API server's metrics were not given (--kubeconfig or --apiserver-metrics)", nil
	}
	if err != nil {
		return nil, "", cli.Usage(err)
	}
	return m, "", nil
}

// rbac lists the objects of RBAC through the API server.
func (a *auditRun) rbac(ctx context.Context) (server string, objects *rbac.Objects, err error) {
	c, err := kubeapi.Load(a.API.Kubeconfig)
	if err != nil {
		return "", nil, err
	}
	defer c.Close()
	objects, err = c.RBAC(ctx)
	return c.Server(), objects, err
}

// choose completes the connection with what the host tells, and says so.
func (a *auditRun) choose() {
	if !a.groups.Data && !a.groups.Wire {
		return
	}
	c := &a.Connection
	if len(c.Endpoints) == 0 {
		var from string
		for _, l := range a.found.Listeners {
			if l.Purpose == facts.ClientPort && len(l.Found) > 0 && (from == "" || from == l.Found[0]) {
				c.Endpoints, from = append(c.Endpoints, l.URL), l.Found[0]
			}
		}
		if a.chosen = from != ""; a.chosen {
			a.say("etcd at %s (%s)", strings.Join(c.Endpoints, ", "), from)
		}
		// Of several API servers, the one that uses this etcd.
		a.node = concerned(a.node, c.Endpoints)
	}
	for _, server := range a.node.APIServers {
		if p := server.Config.EtcdPrefix; c.Prefix == "" && p != "" {
			if c.Prefix = p; p != defaultPrefix {
				a.say("keys under %s, as %s has it", p, server.Name)
			}
		}
	}
	c.Prefix = cmp.Or(c.Prefix, defaultPrefix)
	if c.CACert == "" && c.Cert == "" && c.Key == "" {
		a.chooseClient()
	}
}

// chooseClient takes the first certificate of the host that can be used.
func (a *auditRun) chooseClient() {
	for _, client := range a.found.Clients {
		ca, cert, key := a.path(client.CA), a.path(client.Cert), a.path(client.Key)
		_, caErr := tlsprobe.LoadCA(ca)
		_, err := tlsprobe.LoadIdentity(tlsprobe.Own, cert, key)
		if err = cmp.Or(caErr, err); err != nil {
			a.say("not as the client of %s: %v", client.Found, err)
			continue
		}
		a.Connection.CACert, a.Connection.Cert, a.Connection.Key = ca, cert, key
		a.say("as the client of %s, checked with the CA of %s (%s)", cert, ca, client.Found)
		return
	}
}

// path is where a file of the host is on this machine.
func (a *auditRun) path(name string) string {
	if a.Node.Root == "/" {
		return name
	}
	if resolved, err := (hostfacts.Tree{Root: a.Node.Root}).Resolve(name); err == nil {
		name = resolved
	}
	return filepath.Join(a.Node.Root, name)
}

// say tells on stderr what was chosen.
func (a *auditRun) say(format string, args ...any) {
	_, _ = fmt.Fprintln(a.stderr, name+": "+term.Printable(fmt.Sprintf(format, args...)))
}

// encryptionFile is that of the flag, or of this node's API server where everything about
// the node is asked for.
func (a *auditRun) encryptionFile() string {
	if !a.groups.Data || a.Scan.EncryptionProviderConfig != "" || !a.groups.Host {
		return a.Scan.EncryptionProviderConfig
	}
	for _, server := range a.node.APIServers {
		if e := server.Encryption; e != nil && e.Config != nil {
			file := a.path(e.File.At)
			a.say("values are compared with %s (%s)", file, server.Name)
			return file
		}
	}
	return ""
}

// report reads the data, if that was asked for, and makes the report. Where more was asked
// for, an etcd that cannot be read leaves the rest as it is.
func (a *auditRun) report(ctx context.Context, o audit.Options) (*auditv1.Report, error) {
	if !a.groups.Data {
		return audit.Run(ctx, o)
	}
	onlyData := !a.groups.Wire && !a.groups.Host
	// Before the revision is taken: a member may take minutes to send its database.
	closeFiles, err := a.openNode(ctx, &o)
	defer closeFiles()
	if err != nil {
		return nil, err
	}
	closeLive, err := a.openLive(ctx, &o)
	defer closeLive()
	switch {
	case err == nil:
	case onlyData || ctx.Err() != nil || live.KindOf(err) == live.BadConfig && !a.chosen:
		return nil, err
	default:
		o.Unscanned = "etcd could not be read: " + err.Error()
	}
	return audit.Run(ctx, o)
}
