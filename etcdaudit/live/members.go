package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Comparing is how the members of a cluster are compared.
type Comparing string

// The ways of comparing members.
const (
	// ByHash has each member compute the hash of its data (HashKV, which needs root where etcd's
	// authentication is on). Where that is not possible, or differs, each member is read.
	ByHash Comparing = "hash"
	// ByReading reads each member.
	ByReading Comparing = "read"
	// NotAtAll compares nothing.
	NotAtAll Comparing = "off"
)

// Comparings returns every way.
func Comparings() []Comparing { return []Comparing{ByHash, ByReading, NotAtAll} }

var _ record.Comparer = (*Snapshot)(nil)

// Compare compares what the members have at one revision, which is a new one: that of the
// snapshot may have been compacted since. It returns nil where no comparison was asked for.
func (snap *Snapshot) Compare(ctx context.Context) *record.Comparison {
	s := snap.store
	if s.config.Members == NotAtAll || s.config.Members == "" {
		return nil
	}
	c := &record.Comparison{Revision: snap.Revision}
	if snap.StandIn != "" {
		c.Why = snap.StandIn + " has no members"
		return c
	}
	members, err := s.members(ctx)
	if err != nil {
		c.Why = err.Error()
		return c
	}
	if c.Members = members; len(members) == 1 {
		return c
	}
	now, err := s.get(ctx, "take the revision to compare members at", snap.Prefix)
	if err != nil {
		c.Why = err.Error()
		return c
	}
	c.Revision = now.Header.Revision
	if s.config.Members == ByHash {
		if decided := snap.compareHashes(ctx, c); decided && !c.Differ {
			return c
		}
	}
	snap.compareByReading(ctx, c)
	return c
}

// members are those of the cluster, each with an address: one that was given, if that is its. One
// that does not answer is not compared; it would be waited for once more by each way of comparing.
func (s *Store) members(ctx context.Context) ([]record.Compared, error) {
	request, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var opts []clientv3.OpOption
	if s.config.Serializable {
		opts = append(opts, clientv3.WithSerializable())
	}
	list, err := s.client.MemberList(request, opts...)
	if err != nil {
		return nil, s.explain(ctx, "ask for the members", err)
	}
	var members []record.Compared
	var urls []string
	for _, m := range list.Members {
		one := record.Compared{ID: fmt.Sprintf("%x", m.ID), Name: m.Name, Learner: m.IsLearner}
		one.Endpoint, one.NotCompared = address(m.ClientURLs, s.endpoints[0].secure)
		if one.NotCompared == "" {
			urls = append(urls, one.Endpoint)
		}
		members = append(members, one)
	}
	asked := s.statuses(ctx, append(urls, s.Endpoints()...))
	for i := range members {
		m := &members[i]
		for _, given := range s.Endpoints() {
			if fmt.Sprintf("%x", asked[given].member) == m.ID {
				m.Endpoint, m.NotCompared = given, ""
			}
		}
		switch err := asked[m.Endpoint].err; {
		case m.Learner:
			m.NotCompared = "a learner"
		case m.NotCompared == "" && err != nil:
			m.NotCompared = notCompared(err)
		}
	}
	slices.SortFunc(members, func(a, b record.Compared) int { return cmp.Compare(a.ID, b.ID) })
	return members, nil
}

// reply is which member answers at an address, or why none does.
type reply struct {
	member uint64
	err    error
}

// statuses asks at every address, at all of them at once.
func (s *Store) statuses(ctx context.Context, urls []string) map[string]reply {
	var mu sync.Mutex
	all := map[string]reply{}
	var asking sync.WaitGroup
	for _, url := range slices.Compact(slices.Sorted(slices.Values(urls))) {
		asking.Go(func() {
			got := s.status(ctx, url)
			mu.Lock()
			defer mu.Unlock()
			all[url] = got
		})
	}
	asking.Wait()
	return all
}

// status asks who answers at an address. What an address refuses to say is no error: whether it can
// be read is another matter.
func (s *Store) status(ctx context.Context, url string) reply {
	request, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := s.client.Status(request, url)
	switch {
	case err == nil:
		return reply{member: answer.Header.GetMemberId()}
	case !unanswered(err):
		return reply{}
	}
	config := s.config
	config.Endpoints = []string{url}
	only, wrong := config.endpoints()
	if wrong != nil {
		return reply{err: wrong}
	}
	// Not s.tls: what was given can be without TLS, and what a member names with it.
	secured, wrong := config.tlsConfig(only[0].secure)
	if wrong != nil {
		return reply{err: wrong}
	}
	one := &Store{endpoints: only, tls: secured, timeout: s.timeout, config: config}
	return reply{err: one.explain(ctx, "ask for its status", err)}
}

// address is where a member is asked that names these. A password, or a token, that went to the
// given endpoints by TLS is not sent without it.
func address(urls []string, secure bool) (url, why string) {
	if len(urls) == 0 {
		return "", "it names no address for clients"
	}
	for _, url := range urls {
		if !secure || strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "unixs://") {
			return url, ""
		}
	}
	return urls[0], "its address has no TLS"
}

// compareHashes compares what members compute. It reports whether all members could be
// compared so: hashes of members that were compacted to different revisions say nothing.
func (snap *Snapshot) compareHashes(ctx context.Context, c *record.Comparison) (decided bool) {
	var hashes []*pb.HashKVResponse
	for i := range c.Members {
		m := &c.Members[i]
		if m.NotCompared != "" {
			continue
		}
		hash, err := snap.store.hash(ctx, m.Endpoint, c.Revision)
		if err != nil {
			return false // whether it can be read is another matter
		}
		if of := hash.GetHeader(); of.GetClusterId() != snap.clusterID || fmt.Sprintf("%x", of.GetMemberId()) != m.ID {
			m.NotCompared = otherMemberError(of.GetMemberId()).Error()
			continue
		}
		hashes = append(hashes, hash)
	}
	for _, h := range hashes {
		if h.CompactRevision != hashes[0].CompactRevision || h.HashRevision != hashes[0].HashRevision {
			return false
		}
	}
	for _, h := range hashes {
		c.Differ = c.Differ || h.Hash != hashes[0].Hash
	}
	return len(hashes) > 0
}

func (s *Store) hash(ctx context.Context, endpoint string, revision int64) (hash *pb.HashKVResponse, err error) {
	err = s.repeat(ctx, func() error {
		request, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		answer, err := s.client.HashKV(request, endpoint, revision)
		hash = (*pb.HashKVResponse)(answer)
		return rpctypes.Error(err)
	})
	return hash, err
}

// otherMemberError is the error that another member answers than the one that was asked: several have
// one address, or it is that of a load balancer.
type otherMemberError uint64

func (e otherMemberError) Error() string {
	return fmt.Sprintf("its address is answered by member %x", uint64(e))
}

// notCompared is why a member is left out of the comparison.
func notCompared(err error) string {
	if other, ok := errors.AsType[otherMemberError](err); ok {
		return other.Error()
	}
	if errors.Is(err, rpctypes.ErrFutureRev) {
		return "it is behind: it has not come to the revision yet"
	}
	return "it could not be read: " + err.Error()
}
