package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	"github.com/sealproof/sealproof/internal/check"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Given is a report, and the file that errors name it by.
type Given struct {
	File   string
	Report *auditv1.Report
}

// Merge makes one report of the reports of several nodes, in the order of the nodes' names,
// and adds the checks about differences between them. It fails where a report is of no node,
// or two are of the same; and where one is about several nodes already: of a certificate that
// is on two of them it does not say on which the key is, and of an address not which node's
// etcd it is, so that the nodes cannot be told apart again. What the reports say of controls
// is left out: it belongs to the single nodes' results. The caller settles the outcome
// (outcome.Settle).
func Merge(given []Given) (*auditv1.Report, error) {
	nodes, err := nodesIn(given)
	if err != nil {
		return nil, err
	}
	m := merger{out: &auditv1.Report{Tool: nodes[0].Report.Tool}, several: len(nodes) > 1, checks: map[string]*auditv1.Check{}, certificates: map[string]*auditv1.Certificate{}}
	for _, n := range nodes {
		m.add(Node{Name: n.Name, Report: proto.CloneOf(n.Report)})
	}
	for _, c := range check.Evaluate(Rules(), nodes) {
		m.checks[c.ID] = audit.Checked(c)
	}
	for _, id := range slices.Sorted(maps.Keys(m.checks)) {
		m.out.Checks = append(m.out.Checks, m.checks[id])
	}
	for _, hash := range slices.Sorted(maps.Keys(m.certificates)) {
		m.out.Certificates = append(m.out.Certificates, m.certificates[hash])
	}
	hosts := nodes.hosts()
	m.out.NotEvaluated = slices.DeleteFunc(m.out.NotEvaluated, func(l *auditv1.Layer) bool { return l.Id == outcome.OtherNode && hosts[l.Name] })
	return m.out, nil
}

func nodesIn(given []Given) (nodes Nodes, err error) {
	files := map[string]Given{} // by node
	for _, g := range given {
		var hosts []string
		for _, s := range g.Report.Scopes {
			if s.Node != "" {
				hosts = append(hosts, s.Node)
			}
		}
		switch len(hosts) {
		case 0:
			return nil, fmt.Errorf("%s is of no node with a name: only reports of host and all can be put together", g.File)
		case 1:
		default:
			return nil, fmt.Errorf("%s is already about several nodes (%s, %s …): give the reports or archives of the single nodes", g.File, hosts[0], hosts[1])
		}
		node := hosts[0]
		if other, there := files[node]; there && proto.Equal(other.Report, g.Report) {
			return nil, fmt.Errorf("%s and %s are the same (node %s): give each once", other.File, g.File, node)
		} else if there {
			return nil, fmt.Errorf("%s and %s are both of a node called %s: give one of each node, and nodes names of their own", other.File, g.File, node)
		}
		files[node] = g
		nodes = append(nodes, Node{Name: node, Report: g.Report})
	}
	if len(nodes) == 0 {
		return nil, errors.New("there is no report")
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes, nil
}

// merger puts the reports together. It may keep parts of what it is given.
type merger struct {
	out          *auditv1.Report
	several      bool
	checks       map[string]*auditv1.Check
	certificates map[string]*auditv1.Certificate
}

func (m *merger) add(n Node) {
	r := n.Report
	renamed := m.scopes(n)
	for _, c := range r.Checks {
		for _, result := range c.Results {
			result.Node = cmp.Or(result.Node, n.Name)
			for old, id := range renamed {
				if rest, ok := strings.CutPrefix(result.Target, old); ok && (rest == "" || strings.HasPrefix(rest, ": ")) {
					result.Target = id + rest
				}
			}
		}
		if before := m.checks[c.Id]; before != nil {
			before.Results = append(before.Results, c.Results...)
		} else {
			m.checks[c.Id] = c
		}
	}
	for _, l := range r.Listeners {
		l.Node = n.Name
	}
	for _, k := range r.Keys {
		for _, use := range k.Uses {
			use.Scope = cmp.Or(renamed[use.Scope], use.Scope)
		}
	}
	for _, c := range r.Configurations {
		c.Node = n.Name
	}
	for _, k := range r.PrivateKeys {
		k.Node = n.Name
	}
	m.out.Listeners = append(m.out.Listeners, r.Listeners...)
	m.out.Configurations = append(m.out.Configurations, r.Configurations...)
	m.out.PrivateKeys = append(m.out.PrivateKeys, r.PrivateKeys...)
	m.out.Timelines = union(m.out.Timelines, r.Timelines)
	m.out.Keys = union(m.out.Keys, r.Keys)
	m.verification(n, renamed)
	m.out.Readers = union(m.out.Readers, r.Readers)
	m.out.TimelineBasis = union(m.out.TimelineBasis, r.TimelineBasis)
	for _, step := range r.Runbook {
		step.Node = n.Name
	}
	m.out.Runbook = append(m.out.Runbook, r.Runbook...)
	for _, a := range r.Acceptances {
		if a.Fingerprint == "" { // the name of an object may be on other nodes too
			a.Node = cmp.Or(a.Node, n.Name)
		}
	}
	m.out.Acceptances = union(m.out.Acceptances, r.Acceptances)
	m.layers(n, renamed)
	for _, c := range r.Certificates {
		m.certificate(n.Name, c)
	}
}

// verification adds what was opened from a node.
func (m *merger) verification(n Node, renamed map[string]string) {
	v := n.Report.Verification
	if v == nil {
		return
	}
	for _, u := range v.Unwrappers {
		u.Node = n.Name
	}
	for _, one := range v.Verified {
		one.Scope = cmp.Or(renamed[one.Scope], one.Scope)
	}
	for _, one := range v.Restores {
		one.Scope = cmp.Or(renamed[one.Scope], one.Scope)
	}
	if m.out.Verification == nil {
		m.out.Verification = v
		return
	}
	all := m.out.Verification
	all.DekSources += v.DekSources
	all.Unwrappers = append(all.Unwrappers, v.Unwrappers...)
	all.Verified = append(all.Verified, v.Verified...)
	all.Restores = append(all.Restores, v.Restores...)
}

// scopes adds the scopes of a node. The same store may be in the reports of several nodes, each
// of its own time: renamed are the ids that were taken.
func (m *merger) scopes(n Node) (renamed map[string]string) {
	renamed = map[string]string{}
	for _, s := range n.Report.Scopes {
		if slices.ContainsFunc(m.out.Scopes, func(other *auditv1.Scope) bool { return other.Id == s.Id }) {
			renamed[s.Id] = s.Id + " from " + n.Name
			s.Id = renamed[s.Id]
		}
		m.out.Scopes = append(m.out.Scopes, s)
	}
	return renamed
}

// layers adds what was not evaluated. Places where a store's data survives are the same ones
// from every node; all else is the node's own.
func (m *merger) layers(n Node, renamed map[string]string) {
	for _, l := range n.Report.NotEvaluated {
		if id, ok := renamed[l.Scope]; ok {
			l.Scope = id
		}
		if l.Store == "" && m.several {
			l.Node = n.Name
			if l.Id != outcome.OtherNode {
				l.Name = n.Name + ": " + l.Name
			}
		}
	}
	m.out.NotEvaluated = union(m.out.NotEvaluated, n.Report.NotEvaluated)
}

// certificate adds one, whose files are named with their node.
func (m *merger) certificate(node string, c *auditv1.Certificate) {
	for _, files := range [][]string{c.OnDisk, c.TrustedIn} {
		for i := range files {
			if m.several {
				files[i] = node + ":" + files[i]
			}
		}
	}
	before := m.certificates[c.Fingerprint]
	if before == nil {
		m.certificates[c.Fingerprint] = c
		return
	}
	before.ServedAt = withMore(before.ServedAt, c.ServedAt)
	before.OnDisk = withMore(before.OnDisk, c.OnDisk)
	before.TrustedIn = withMore(before.TrustedIn, c.TrustedIn)
	before.Authority, before.HasKey = before.Authority || c.Authority, before.HasKey || c.HasKey
}

func withMore(a, b []string) []string {
	there := map[string]bool{}
	return slices.DeleteFunc(slices.Concat(a, b), func(s string) bool {
		before := there[s]
		there[s] = true
		return before
	})
}

// union adds messages that are not there yet. It compares their bytes: lists may be long.
func union[M proto.Message](a, b []M) []M {
	there := map[string]bool{}
	for _, one := range a {
		there[content(one)] = true
	}
	for _, one := range b {
		if text := content(one); !there[text] {
			there[text] = true
			a = append(a, one)
		}
	}
	return a
}

// content is the same for equal messages.
func content(m proto.Message) string {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil { // a text that is no UTF-8, which no report in JSON can hold
		return prototext.Format(m)
	}
	return string(text)
}

// hosts are where the programs of these nodes can be reached, in the words in which a report
// asks for another node ("another node, etcd: 192.0.2.20").
func (nodes Nodes) hosts() map[string]bool {
	all := map[string]bool{}
	for _, n := range nodes {
		for _, c := range n.Report.Configurations {
			for _, s := range c.Settings {
				for _, host := range hostsIn(s) {
					all["another node, "+c.Program+": "+host] = true
				}
			}
		}
	}
	return all
}

// hostsIn are the hosts at which a setting of a program says that it can be reached.
func hostsIn(s *auditv1.Setting) (all []string) {
	switch s.Name {
	case "listen-client-urls", "listen-peer-urls", "advertise-client-urls", "initial-advertise-peer-urls", "advertise-address":
	default:
		return nil
	}
	for address := range strings.SplitSeq(s.Value, ",") {
		all = append(all, address)
		if u, err := url.Parse(address); err == nil {
			all = append(all, u.Hostname())
		}
	}
	return all
}
