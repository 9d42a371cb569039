package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
)

// wire connects to every address of etcd that was given or found.
func (a *auditRun) wire(ctx context.Context) (*facts.Wire, error) {
	c, missing, err := a.probes(ctx)
	if err != nil {
		return nil, err
	}
	if len(c.Targets) == 0 {
		if onlyWire := !a.groups.Data && !a.groups.Host; onlyWire {
			return nil, cli.Usage(errNoEndpoint)
		}
		return &facts.Wire{Now: time.Now(), Missing: append(missing, facts.Missing{What: "addresses of etcd", Why: "none was given, and none found on this node", Do: "give --endpoints"})}, nil
	}
	progress := newProbing(a.stderr)
	defer progress.end()
	w, err := tlsprobe.Run(ctx, c, progress.add)
	if err != nil {
		return nil, exitOf(err)
	}
	w.Missing = append(w.Missing, missing...)
	return w, nil
}

// plan prints what wire would do.
func (a *auditRun) plan(ctx context.Context) error {
	c, _, err := a.probes(ctx)
	if err != nil {
		return err
	}
	if len(c.Targets) == 0 {
		return cli.Usage(errNoEndpoint)
	}
	plan, err := tlsprobe.PlanOf(c)
	if err != nil {
		return cli.Usage(err)
	}
	if err := writePlan(a.stdout, plan); err != nil {
		return cli.Exit(report.ExitNotEvaluated, fmt.Errorf("write the plan: %w", err))
	}
	return nil
}

// probes are what is connected to, as whom. Addresses of other members come from the member
// list; why it could not be asked is returned.
func (a *auditRun) probes(ctx context.Context) (c tlsprobe.Config, missing []facts.Missing, err error) {
	c = tlsprobe.Config{Prefix: strings.TrimRight(a.Connection.Prefix, "/") + "/", Passive: a.TLS.Passive, Enumerate: a.TLS.Enumerate && !a.TLS.Passive}
	if err := a.identities(&c); err != nil {
		return c, nil, cli.Usage(err)
	}
	if a.getenv("ETCDCTL_USER") != "" {
		// Authenticate goes through raft (etcd, server/etcdserver/v3_server.go).
		a.say("tls does not use ETCDCTL_USER: logging in would be an entry of raft's log")
	}
	if c.Targets, err = tlsprobe.Merge(a.targets()); err != nil { // an address that is none
		return c, nil, cli.Usage(err)
	}
	members, asked, err := tlsprobe.Members(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return c, nil, exitOf(err)
		}
		missing = append(missing, facts.Missing{What: "peer addresses, and those of other members", Why: err.Error(), Do: "give --cert and --key of a client that etcd accepts, or --endpoints and --peer-endpoints of every member"})
	}
	c.Asked = asked
	if c.Targets, err = tlsprobe.Merge(append(c.Targets, members...)); err != nil {
		return c, nil, exitOf(err)
	}
	return c, missing, nil
}

// targets are the addresses that were given, and those of the etcds on this host: of all of
// them, or of those that an endpoint was given of.
func (a *auditRun) targets() (all []tlsprobe.Target) {
	given := func(purpose facts.Purpose, urls []string) {
		for _, u := range urls {
			all = append(all, tlsprobe.Target{Purpose: purpose, URL: u, Found: []string{"given"}})
		}
	}
	if !a.chosen {
		given(facts.ClientPort, a.Connection.Endpoints)
	}
	given(facts.PeerPort, a.TLS.PeerEndpoints)
	given(facts.MetricsPort, a.TLS.MetricsEndpoints)
	for _, l := range a.found.Listeners {
		all = append(all, tlsprobe.Target{Purpose: l.Purpose, URL: l.URL, Member: l.Member, Found: l.Found})
	}
	slices.SortStableFunc(all, func(a, b tlsprobe.Target) int { return cmp.Compare(rank(a.Purpose), rank(b.Purpose)) })
	return all
}

func rank(p facts.Purpose) int {
	return slices.Index([]facts.Purpose{facts.ClientPort, facts.PeerPort, facts.MetricsPort}, p)
}

// identities loads the CA, the auditor's own certificate and those of --probe-cert.
func (a *auditRun) identities(c *tlsprobe.Config) (err error) {
	conn := a.Connection
	if conn.CACert != "" {
		if c.CA, err = tlsprobe.LoadCA(conn.CACert); err != nil {
			return err
		}
	}
	if conn.Cert != "" {
		own, err := tlsprobe.LoadIdentity(tlsprobe.Own, conn.Cert, conn.Key)
		if err != nil {
			return err
		}
		c.Own = &own
	}
	probes, err := a.TLS.probeCerts()
	if err != nil {
		return err
	}
	for _, p := range probes {
		identity, err := tlsprobe.LoadIdentity(p.label, p.cert, p.key)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(c.Given, func(other tlsprobe.Identity) bool { return other.Label == p.label }) {
			return fmt.Errorf("probe-cert: the label %q is given twice", p.label)
		}
		c.Given = append(c.Given, identity)
	}
	return nil
}
