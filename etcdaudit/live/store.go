package live

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Store is a connection to one etcd cluster. It is safe for concurrent use.
type Store struct {
	client    *clientv3.Client
	endpoints []endpoint
	tls       *tls.Config
	timeout   time.Duration
}

// Connect reads the certificates and prepares the connection. Only with a
// username does it contact etcd, to log in.
func Connect(ctx context.Context, c Config) (*Store, error) {
	const op = "connect to etcd"
	endpoints, err := c.endpoints()
	if err != nil {
		return nil, &Error{Kind: BadConfig, Op: op, What: "the settings cannot be used", Err: err}
	}
	tlsConfig, err := c.tlsConfig(endpoints[0].secure)
	if err = errors.Join(err, c.checkUser()); err != nil {
		return nil, &Error{Kind: BadConfig, Op: op, What: "the settings cannot be used", Err: err}
	}
	s := &Store{endpoints: endpoints, tls: tlsConfig, timeout: c.RequestTimeout}
	s.client, err = clientv3.New(clientv3.Config{
		Context:            ctx,
		Endpoints:          s.Endpoints(),
		TLS:                tlsConfig,
		Username:           c.Username,
		Password:           c.Password,
		DialTimeout:        c.RequestTimeout,
		MaxCallRecvMsgSize: receiveLimit,
		// A member that hangs is found out even while a page is awaited.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 10 * time.Second,
		// About three seconds of repeating: enough for an election or for
		// another member to take over, and short enough that a wrong address is
		// reported soon.
		MaxUnaryRetries:    10,
		BackoffWaitBetween: 300 * time.Millisecond,
		DialOptions:        []grpc.DialOption{grpc.WithChainUnaryInterceptor(failFast)},
		// Its own log would print warnings about every retry to stderr.
		Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, s.explain(ctx, "log in to etcd", err)
	}
	return s, nil
}

// failFast undoes what etcd's client sets for every request: to wait, until the
// deadline, for a connection that will never be made.
func failFast(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}

// Close ends the connection.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close the connection to etcd: %w", err)
	}
	return nil
}

// Endpoints returns the endpoints as URLs.
func (s *Store) Endpoints() []string {
	urls := make([]string, len(s.endpoints))
	for i, e := range s.endpoints {
		urls[i] = e.url
	}
	return urls
}

// Snapshot is every key under a prefix at one revision: a record.Source. Its Scope is
// complete from the start. Outside does not count the key that API servers keep for
// their compaction, and is -1 if this user may not count keys, or if a stand-in cannot.
type Snapshot struct {
	record.Scope

	clusterID uint64
	store     *Store
}

var _ record.Source = (*Snapshot)(nil)

// Pin takes etcd's current revision and counts the keys under prefix at it.
// The read is linearizable: what was acknowledged before Pin is in it.
func (s *Store) Pin(ctx context.Context, prefix string) (*Snapshot, error) {
	snap := &Snapshot{store: s, Scope: record.Scope{Layer: record.Live, Prefix: strings.TrimRight(prefix, "/") + "/", Time: time.Now()}}
	for _, url := range s.Endpoints() {
		snap.Sources = append(snap.Sources, record.Input{Name: url})
	}
	now, err := s.get(ctx, "take the revision", snap.Prefix, clientv3.WithCountOnly())
	if err != nil {
		return nil, err
	}
	snap.Revision, snap.clusterID = now.Header.Revision, now.Header.ClusterId
	if snap.clusterID != 0 {
		snap.ClusterID = fmt.Sprintf("%x", snap.clusterID)
	}
	snap.StandIn = s.standIn(ctx, now)
	op := fmt.Sprintf("count the keys under %s at revision %d", snap.Prefix, snap.Revision)
	if snap.Keys, err = snap.count(ctx, op, snap.Prefix, clientv3.WithRange(snap.end())); err != nil {
		return nil, err
	}
	if snap.Outside, err = snap.outside(ctx); err != nil {
		return nil, err
	}
	return snap, nil
}

// Scopes returns the one scope of the snapshot.
func (snap *Snapshot) Scopes() []record.Scope { return []record.Scope{snap.Scope} }

// Read gives every key and value of the snapshot to add, in the order of the keys, one
// page at a time. It returns nil only if as many keys were read as etcd counted.
func (snap *Snapshot) Read(ctx context.Context, add func([]record.Record) error) error {
	var (
		records []record.Record
		op      = fmt.Sprintf("read the keys under %s at revision %d", snap.Prefix, snap.Revision)
		size    = newPager()
		from    = snap.Prefix
		last    []byte
		read    int64
	)
	for more := true; more; {
		resp, err := snap.store.get(ctx, op, from, clientv3.WithRange(snap.end()), clientv3.WithLimit(size.limit), clientv3.WithRev(snap.Revision))
		if oversized(err) {
			if size.refused() {
				continue
			}
			return &Error{
				Op: op, Err: err, What: fmt.Sprintf("the value after %q has more than %d MiB", last, receiveLimit>>20),
				Do: "no API server writes such a value; look at it with etcdctl",
			}
		}
		if err != nil {
			return err
		}
		if err := snap.checkPage(op, resp, last); err != nil {
			return err
		}
		size.received(len(resp.Kvs), pageSize(resp.Kvs))
		read += int64(len(resp.Kvs))
		more = resp.More
		if len(resp.Kvs) == 0 {
			break
		}
		last = bytes.Clone(resp.Kvs[len(resp.Kvs)-1].Key)
		from = string(last) + "\x00"
		records = appendRecords(records[:0], resp.Kvs)
		if err := add(records); err != nil {
			return err
		}
		clear(records) // lest this page stays in memory while the next one comes
	}
	if read != snap.Keys {
		e := inconsistent(op, "%d keys were read, but etcd counts %d", read, snap.Keys)
		if snap.StandIn != "" {
			e.Do = "nothing is reported; older versions of kine count at their current revision: run again while nothing is written"
		}
		return e
	}
	return nil
}

func appendRecords(records []record.Record, kvs []*mvccpb.KeyValue) []record.Record {
	for _, kv := range kvs {
		records = append(records, record.Record{
			Key: kv.Key, Value: kv.Value, CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision,
			Version: kv.Version, Lease: kv.Lease, Origin: record.Origin{Layer: record.Live},
		})
	}
	return records
}

func (snap *Snapshot) end() string { return clientv3.GetPrefixRangeEnd(snap.Prefix) }

// checkPage refuses an answer that a sound etcd does not give. Without it a
// member that answers for another cluster, or the same page again and again,
// would end in a verdict about something else.
func (snap *Snapshot) checkPage(op string, resp *clientv3.GetResponse, last []byte) error {
	if err := snap.checkCluster(op, resp); err != nil {
		return err
	}
	if len(resp.Kvs) == 0 && resp.More {
		return inconsistent(op, "an empty page says that more follows")
	}
	for _, kv := range resp.Kvs {
		switch {
		case !bytes.HasPrefix(kv.Key, []byte(snap.Prefix)):
			return inconsistent(op, "key %q is not under the prefix", kv.Key)
		case last != nil && bytes.Compare(kv.Key, last) <= 0:
			return inconsistent(op, "key %q comes after %q", kv.Key, last)
		case kv.ModRevision > snap.Revision:
			return inconsistent(op, "key %q is of the later revision %d", kv.Key, kv.ModRevision)
		}
		last = kv.Key
	}
	return nil
}

func (snap *Snapshot) checkCluster(op string, resp *clientv3.GetResponse) error {
	if id := resp.Header.ClusterId; id != snap.clusterID {
		return &Error{
			Op: op, What: fmt.Sprintf("the endpoints belong to different clusters, %x and %x", snap.clusterID, id),
			Do: "name members of one cluster only",
		}
	}
	return nil
}

func pageSize(kvs []*mvccpb.KeyValue) (n int64) {
	for _, kv := range kvs {
		n += int64(len(kv.Key) + len(kv.Value))
	}
	return n
}

func (s *Store) get(ctx context.Context, op, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	request, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	resp, err := s.client.Get(request, key, opts...)
	if err != nil {
		return nil, s.explain(ctx, op, err)
	}
	return resp, nil
}

// explain turns a failed request into an Error, and looks at the endpoints when
// the error alone does not say enough.
func (s *Store) explain(ctx context.Context, op string, err error) error {
	if e, ok := classify(ctx, op, err); ok {
		return e
	}
	for _, endpoint := range s.endpoints {
		if e := diagnose(ctx, op, endpoint, s.tls); e != nil {
			if ctx.Err() != nil {
				return &Error{Op: op, What: "interrupted", Err: context.Cause(ctx)}
			}
			return e
		}
	}
	return &Error{
		Op: op, Err: err, What: fmt.Sprintf("%s gave no answer within %v", strings.Join(s.Endpoints(), ", "), s.timeout),
		Do: "check etcd's health (etcdctl endpoint health --cluster); allow more time if it is only slow",
	}
}
