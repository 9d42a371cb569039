package rules_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

// An etcd that is started as a remedy says starts, and demands certificates of its own CA at
// each of its addresses for clients, or for peers.
func TestAnEtcdThatFollowsARemedyDemandsCertificates(t *testing.T) {
	const (
		client = "--listen-client-urls=https://127.0.0.1:2379 --advertise-client-urls=https://127.0.0.1:2379 "
		plain  = "--listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 "
		files  = "--cert-file=CERT --key-file=KEY "
		peer   = "--listen-peer-urls=https://192.0.2.10:2380 --initial-advertise-peer-urls=https://192.0.2.10:2380 "
		peers  = peer + "--peer-cert-file=CERT --peer-key-file=KEY "
	)
	anonymous := func(n *controlplane.Node) {
		controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "OK")
		controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
	}
	withoutTLS := func(n *controlplane.Node) {
		for _, l := range []*facts.Listener{n.Client(), n.Peer()} {
			l.Served, l.Exchanges = nil, nil
			controlplane.Says(l, controlplane.Plain, facts.GetVersion, "", facts.Answered, "HTTP 200")
			controlplane.Says(l, controlplane.Plain, facts.GetVars, "", facts.Answered, "HTTP 200")
		}
	}
	clients, members := []string{"EA-301", "EA-302", "EA-319", "EA-403", "EA-404", "EA-406"}, []string{"EA-307", "EA-405"}
	for name, tt := range map[string]struct {
		args  string
		shown func(*controlplane.Node)
		ids   []string // of those that fail, at least one does
	}{
		"auto-tls":             {client + "--auto-tls " + peers, anonymous, clients},
		"no CA":                {client + files + peers, anonymous, clients},
		"no TLS":               {plain + peers, withoutTLS, clients},
		"no TLS, though set":   {plain + files + peers, withoutTLS, clients},
		"HTTP without TLS":     {client + files + "--trusted-ca-file=CA --listen-client-http-urls=http://127.0.0.1:2382 " + peers, func(n *controlplane.Node) { withoutTLS(n); n.Client().URL = "http://127.0.0.1:2382" }, clients},
		"peer-auto-tls":        {client + files + peer + "--peer-auto-tls", anonymous, members},
		"no CA of peers":       {client + files + peers, anonymous, members},
		"peers without TLS":    {client + files + strings.ReplaceAll(peer, "https", "http"), withoutTLS, members},
		"peers, TLS to no end": {client + files + strings.ReplaceAll(peers, "https", "http"), withoutTLS, members},
	} {
		args, found := strings.Fields(tt.args), 0
		n := controlplane.New(t)
		n.Facts.Host.Setup.Kind = facts.Bare
		n.Etcd().Config = merge(args)
		if refused := n.Etcd().Config.Refused; refused != "" {
			t.Fatalf("%s: %s", name, refused)
		}
		tt.shown(n)
		for _, id := range tt.ids {
			for _, r := range controlplane.Results(t, id, n.Facts) {
				if r.Status != check.Fail || strings.HasPrefix(r.Remedy, "see EA-") {
					continue
				}
				found++
				after := merge(follow(args, r.Remedy))
				urls, auth := slices.Concat(after.ListenClient, after.ListenClientHTTP), after.ClientAuth
				if slices.Equal(tt.ids, members) {
					urls, auth = after.ListenPeer, after.PeerAuth
				}
				open := slices.ContainsFunc(urls, func(u string) bool { return auth(u) != etcdconfig.OwnCA })
				if after.Refused != "" || open {
					t.Errorf("%s, %s: %s\nstill open: %t, refused: %s", name, id, r.Remedy, open, after.Refused)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s: nothing is found", name)
		}
	}
}

func merge(args []string) etcdconfig.Effective {
	return etcdconfig.Merge(etcdconfig.Input{Release: etcdconfig.Release{Major: 3, Minor: 7}, Args: args})
}

// follow starts etcd with the flags of a remedy as well. Of a list of addresses a remedy says
// only that they are to be https.
func follow(args []string, remedy string) []string {
	args = slices.Clone(args)
	for _, flag := range regexp.MustCompile(`--[a-z-]+=[^ ;,)]+`).FindAllString(remedy, -1) {
		name, value, _ := strings.Cut(flag, "=")
		i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, name+"=") })
		switch {
		case i >= 0 && value == "https://…":
			args[i] = strings.ReplaceAll(args[i], "http://", "https://")
		default:
			args = append(args, flag)
		}
	}
	return args
}
