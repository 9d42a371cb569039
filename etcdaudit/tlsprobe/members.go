package tlsprobe

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/term"
)

// FoundInMemberList is what Target.Found says of addresses from the member list.
const FoundInMemberList = "member list"

// Members asks the client addresses among the targets, one after the other, for the member
// list, and returns the client and peer addresses in it. It is not linearizable: the member
// answers from its own memory, and no other member is asked. The connections count towards
// no listener's.
//
// A grpc-proxy answers with its own address, and kine with none of etcd's: what comes back
// is what the cluster says of itself.
func Members(ctx context.Context, c Config) ([]Target, error) {
	c = c.withDefaults()
	var errs []error
	for _, t := range c.Targets {
		if t.Purpose != facts.ClientPort {
			continue
		}
		at, err := parseAddress(t.URL)
		if err != nil {
			return nil, err
		}
		who := &identities{none: &Identity{Identity: facts.Identity{Label: None, Kind: facts.NoCertificate}}}
		a := ask{tls: at.secure, request: facts.MemberList, who: who.none, ownName: true}
		if c.Own != nil {
			a.who = c.Own
		}
		r := newProber(c, t, at, who, nil).do(ctx, a)
		if list := parseMembers(r.body); r.Outcome == facts.Answered && r.Said == "OK" && len(list) > 0 {
			return targetsOf(list), nil
		}
		errs = append(errs, fmt.Errorf("member list of %s: %s", t.URL, r.Said))
	}
	if len(errs) == 0 {
		return nil, errors.New("member list: no client address to ask")
	}
	return nil, errors.Join(errs...)
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
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		var (
			value []byte
			n     uint64
		)
		switch kind {
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(message)
		default:
			size = protowire.ConsumeFieldValue(number, kind, message)
		}
		if size < 0 {
			return
		}
		f(number, value, n)
		message = message[size:]
	}
}
