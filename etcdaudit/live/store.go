package live

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

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
	config    Config
	prefix    string // of the keys, once Pin was asked for them
}

// streamWindow is how many bytes etcd may send ahead of what is read.
const streamWindow = 4 << 20

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
	s := &Store{endpoints: endpoints, tls: tlsConfig, timeout: c.RequestTimeout, config: c}
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
		MaxUnaryRetries:      maxRepeats,
		BackoffWaitBetween:   repeatAfter,
		DialOptions: []grpc.DialOption{
			grpc.WithChainUnaryInterceptor(failFast),
			// Room for etcd to make the next message of a stream while this one is read.
			grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(2 * streamWindow),
		},
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
// complete from the start, but for Parts, Inexact and the last revision, which Read adds. Outside does not count the key that API servers keep for
// their compaction, and is -1 if this user may not count keys, or if a stand-in cannot.
type Snapshot struct {
	record.Scope

	clusterID uint64
	member    uint64 // the only one that may answer; 0 for any
	store     *Store
	readings  int // begun so far
}

var _ record.Source = (*Snapshot)(nil)

// Pin takes etcd's current revision and counts the keys under prefix at it.
// The read is linearizable: what was acknowledged before Pin is in it.
func (s *Store) Pin(ctx context.Context, prefix string) (*Snapshot, error) {
	snap := &Snapshot{store: s, Scope: record.Scope{Layer: record.Live, Prefix: strings.TrimRight(prefix, "/") + "/", Time: time.Now()}}
	s.prefix = snap.Prefix
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
	if err := snap.sameCluster(ctx); err != nil {
		return nil, err
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

// sameCluster refuses endpoints of several clusters: which of them answers a request is left to
// chance. One that does not say what it is of may be down, which others show.
func (snap *Snapshot) sameCluster(ctx context.Context) error {
	endpoints := snap.store.endpoints
	if len(endpoints) == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(snap.store.timeout, diagnoseTimeout))
	defer cancel()
	ids := make([]uint64, len(endpoints))
	var asked sync.WaitGroup
	for i, e := range endpoints {
		asked.Go(func() {
			if status, err := snap.store.client.Status(ctx, e.url); err == nil {
				ids[i] = status.Header.GetClusterId()
			}
		})
	}
	asked.Wait()
	for _, id := range ids {
		if id != 0 {
			if err := snap.answered("take the revision", id, snap.member); err != nil {
				return err
			}
		}
	}
	return nil
}

// Scopes returns the one scope of the snapshot.
func (snap *Snapshot) Scopes() []record.Scope { return []record.Scope{snap.Scope} }

func (snap *Snapshot) read(ctx context.Context, r *reading) error {
	err := r.rest(ctx)
	switch _, explained := errors.AsType[*Error](err); {
	case r.stopped != nil:
		return r.stopped
	case explained, err == nil:
		return err
	}
	return snap.store.explain(ctx, r.op, err)
}

// local reports whether each member may answer by itself. What it has of a revision is what all
// have of it, and a member that has not come so far says so. kine knows no such requests.
func (snap *Snapshot) local() bool { return snap.StandIn == "" }

func (snap *Snapshot) end() string { return clientv3.GetPrefixRangeEnd(snap.Prefix) }

// answered checks who has answered.
func (snap *Snapshot) answered(op string, cluster, member uint64) error {
	switch {
	case cluster != snap.clusterID:
		return &Error{
			Op: op, What: fmt.Sprintf("the endpoints belong to different clusters, %x and %x", snap.clusterID, cluster),
			Do: "name members of one cluster only",
		}
	case snap.member != 0 && member != snap.member:
		return &Error{Op: op, What: fmt.Sprintf("member %x was asked", snap.member), Err: otherMemberError(member)}
	}
	return nil
}

func (s *Store) get(ctx context.Context, op, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	request, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if s.config.Serializable {
		opts = append(opts, clientv3.WithSerializable())
	}
	resp, err := s.client.Get(request, key, opts...)
	if err != nil {
		// Together, for each can take as long as a request.
		var alone *Error
		var looking sync.WaitGroup
		looking.Go(func() { alone = s.withoutQuorum(ctx, op, key, err) })
		explained := s.explain(ctx, op, err)
		if looking.Wait(); alone != nil {
			return nil, alone
		}
		return nil, explained
	}
	if resp.Header == nil {
		return nil, inconsistent(op, "an answer is no answer of etcd: it does not say whose it is")
	}
	return resp, nil
}

// explain turns a failed request into an Error, and looks at the endpoints when
// the error alone does not say enough: no longer than a request may take.
func (s *Store) explain(ctx context.Context, op string, err error) error {
	if e, ok := classify(ctx, op, s.prefix, err); ok {
		return e
	}
	limited, cancel := context.WithTimeout(ctx, min(s.timeout, diagnoseTimeout))
	defer cancel()
	found := make([]*Error, len(s.endpoints))
	var looking sync.WaitGroup
	for i, endpoint := range s.endpoints {
		looking.Go(func() { found[i] = diagnose(limited, op, endpoint, s.tls) })
	}
	looking.Wait()
	if ctx.Err() != nil {
		return &Error{Op: op, What: "interrupted", Err: context.Cause(ctx)}
	}
	found = slices.DeleteFunc(found, func(e *Error) bool { return e == nil })
	// Why one refuses that is there says more than that another one is not.
	if i := slices.IndexFunc(found, func(e *Error) bool { return !absent(e.Err) }); i >= 0 {
		return found[i]
	}
	if len(found) > 0 {
		return found[0]
	}
	return &Error{
		Op: op, Err: err, What: fmt.Sprintf("%s gave no answer within %v", strings.Join(s.Endpoints(), ", "), s.timeout),
		Do: "check etcd's health (etcdctl endpoint health --cluster); allow more time if it is only slow",
	}
}
