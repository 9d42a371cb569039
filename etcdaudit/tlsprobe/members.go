package tlsprobe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/protofield"
	"github.com/sealproof/sealproof/internal/term"
)

// FoundInMemberList is what Target.Found says of addresses from the member list.
const FoundInMemberList = "member list"

// Asked is a connection that was made to find addresses.
type Asked struct {
	URL string
	facts.Exchange
	// Silence is how long it was waited for an answer that did not come.
	Silence time.Duration
}

// at reports whether it was made to a listener. Only client addresses are asked.
func (a Asked) at(purpose facts.Purpose, at address) bool {
	other, err := parseAddress(a.URL)
	return err == nil && purpose == facts.ClientPort && other.endpoint == at.endpoint
}

// Members asks the client addresses among the targets, one after the other, for the member
// list, and returns the client and peer addresses in it, and the connections that it made,
// those of Config.Asked for Run. It is not linearizable: the member answers from its own
// memory. An address that is in a list already is not asked; others may be of another
// cluster. The error is set where none has answered.
//
// A grpc-proxy answers with its own address, and kine with none of etcd's: what comes back
// is what the cluster says of itself.
func Members(ctx context.Context, c Config) (found []Target, made []Asked, _ error) {
	c = c.withDefaults()
	addresses, err := c.merge()
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	for i, t := range c.Targets {
		if t.Purpose != facts.ClientPort || slices.ContainsFunc(found, func(f Target) bool { return f.Purpose == t.Purpose && f.URL == t.URL }) {
			continue
		}
		who := &identities{none: &Identity{Identity: facts.Identity{Label: None, Kind: facts.NoCertificate}}}
		a := ask{tls: addresses[i].secure, request: facts.MemberList, who: who.none, ownName: true}
		if c.Own != nil {
			a.who = c.Own
		}
		l := &line{}
		r := newProber(c, t, addresses[i], l, who, nil).do(ctx, a)
		if !r.made {
			break // ctx has ended
		}
		made = append(made, Asked{URL: t.URL, Exchange: r.Exchange, Silence: l.spent})
		if list := parseMembers(r.body); r.Outcome == facts.Answered && r.Said == "OK" && len(list) > 0 {
			found = append(found, targetsOf(list)...)
			continue
		}
		errs = append(errs, fmt.Errorf("member list of %s: %s", t.URL, r.Said))
	}
	switch {
	case len(found) > 0:
		return found, made, nil
	case len(errs) == 0:
		return nil, made, errors.New("member list: no client address to ask")
	}
	return nil, made, errors.Join(errs...)
}

// member is one of the list (Member in api/etcdserverpb/rpc.proto).
type member struct {
	name         string
	peer, client []string
}

// targetsOf lists what can be parsed as an address. An address is the word of the server,
// and is shown: it is made printable here.
func targetsOf(list []member) (all []Target) {
	add := func(purpose facts.Purpose, m member, urls []string) {
		for _, u := range urls {
			if _, err := parseAddress(u); err == nil && term.Printable(u) == u {
				all = append(all, Target{Purpose: purpose, URL: u, Member: short(m.name), Found: []string{FoundInMemberList}})
			}
		}
	}
	for _, m := range list {
		add(facts.ClientPort, m, m.client)
		add(facts.PeerPort, m, m.peer)
	}
	return all
}

// maxMembers bounds the list. etcd advises seven members at most.
const maxMembers = 100

func parseMembers(body []byte) (list []member) {
	eachField(grpcMessage(body), func(number protowire.Number, value []byte, _ uint64) {
		if number != 2 || len(list) == maxMembers {
			return
		}
		var m member
		eachField(value, func(number protowire.Number, value []byte, _ uint64) {
			switch number {
			case 2:
				m.name = string(value)
			case 3:
				m.peer = append(m.peer, string(value))
			case 4:
				m.client = append(m.client, string(value))
			}
		})
		list = append(list, m)
	})
	return list
}

// grpcMessage takes the five bytes off that frame a message of gRPC; nil for a compressed
// one, which was not asked for, and for one that was cut.
func grpcMessage(body []byte) []byte {
	if len(body) < 5 || body[0] != 0 {
		return nil
	}
	return body[5:]
}

// eachField calls f with each field of a message, until one is damaged.
func eachField(message []byte, f func(number protowire.Number, value []byte, n uint64)) {
	_ = protofield.Each(message, func(number protowire.Number, n uint64, value []byte) error {
		f(number, value, n)
		return nil
	})
}
