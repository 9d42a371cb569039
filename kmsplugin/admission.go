package kmsplugin

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/kmsplugin/intake"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// Bounds of what callers may have under way, all of them together. An API server
// has one connection for each provider, and seldom more than a handful of requests;
// the most is what it asks for when it starts and nothing is cached.
const (
	maxConnections = 64
	// maxIdle is how long a connection may have nothing under way. Connections that a
	// caller has forgotten would otherwise keep an API server that starts from
	// connecting. An API server asks for Status every minute.
	maxIdle = 5 * time.Minute
	// maxRequests bounds Encrypt and Decrypt. Those that wait for a key store are
	// bounded below that, see turns, so that there is always room for those that do
	// not wait.
	maxRequests = 3072
	// maxQuick bounds the unary requests that never wait, such as Status, and
	// maxStreaming the streaming ones, which may go on for an hour.
	maxQuick     = 256
	maxStreaming = 16
	// maxOwn is how many of each kind one connection may have when others have
	// taken them all.
	maxOwn = 8
	// maxStreams bounds what one connection may have under way. A caller that has
	// reached it waits by itself before it asks for Status, so it is more than
	// everything that may be served at a time: what is beyond is refused, not kept
	// waiting.
	maxStreams = maxRequests + maxQuick + maxStreaming + 256
	// maxUnanswered bounds the memory that requests take while they are received
	// and served: every request that may be served, at its largest.
	maxUnanswered = maxStreams * (16<<10 + maxMessage)
	// share is what each connection may have of that, independent of the others.
	share = 256 << 10

	// maxMessage bounds one request. The largest that can be opened has 1 KiB of
	// ciphertext, 1 KiB of key_id, and annotations of less than 1 KiB.
	maxMessage = envelope.MaxCiphertext + envelope.MaxKeyID + 6<<10
	// maxHeaders bounds the headers of one request; an API server sends half a KiB.
	maxHeaders = 4 << 10
	// The window of a stream is the smallest that gRPC knows. That of a connection
	// lets a thousand ordinary requests come in at once.
	streamWindow     = 64 << 10
	connectionWindow = 1 << 20
)

// limits are the options that bound what one connection may send.
func (s *Service) limits() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.InTapHandle(s.deadline),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: maxIdle}),
	}
}

// intakeLimits bound what all connections may have under way together.
func intakeLimits() intake.Limits {
	return intake.Limits{Connections: maxConnections, Bytes: maxUnanswered, Share: share}
}

// deadline keeps every request inside the API server's own deadline, so that the
// caller hears our reason instead of its own timeout. It begins before the message
// is read: one that never arrives whole must not keep its place.
func (s *Service) deadline(ctx context.Context, info *tap.Info) (context.Context, error) {
	if info.FullMethodName == pluginv1.PluginService_Rehearse_FullMethodName {
		return ctx, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.RequestTimeout) //nolint:gosec // gRPC cancels the parent when the stream ends
	_ = cancel
	return ctx, nil
}

// places bound the requests of a kind that are under way: there are most of them,
// and each connection may have a few even when others have taken all.
type places struct {
	most int

	mu    sync.Mutex
	total int
	own   map[net.Addr]int // by connection, see intake
}

func newPlaces(most int) *places { return &places{most: most, own: map[net.Addr]int{}} }

// take returns false if there is no place for a caller; it never waits.
func (p *places) take(caller net.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total >= p.most && p.own[caller] >= maxOwn {
		return false
	}
	p.total++
	p.own[caller]++
	return true
}

func (p *places) leave(caller net.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if p.own[caller]--; p.own[caller] == 0 {
		delete(p.own, caller)
	}
}

// callerOf tells connections apart.
func callerOf(ctx context.Context) net.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr
	}
	return nil
}

// registrar has a server's requests take a place before their messages are read,
// and refuses those for which there is none.
type registrar struct {
	grpc.ServiceRegistrar
	service                  *Service
	asking, quick, streaming *places
}

func newRegistrar(g grpc.ServiceRegistrar, s *Service) registrar {
	return registrar{
		ServiceRegistrar: g, service: s,
		asking: newPlaces(maxRequests), quick: newPlaces(maxQuick), streaming: newPlaces(maxStreaming),
	}
}

// RegisterService implements grpc.ServiceRegistrar.
func (r registrar) RegisterService(d *grpc.ServiceDesc, implementation any) {
	bounded := *d
	bounded.Methods, bounded.Streams = slices.Clone(d.Methods), slices.Clone(d.Streams)
	for i, m := range d.Methods {
		places := r.quick
		switch "/" + d.ServiceName + "/" + m.MethodName {
		case kmsapi.KeyManagementService_Encrypt_FullMethodName, kmsapi.KeyManagementService_Decrypt_FullMethodName:
			places = r.asking
		}
		bounded.Methods[i].Handler = func(server any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			caller := callerOf(ctx)
			if !places.take(caller) {
				return nil, r.service.turnAway(m.MethodName)
			}
			defer places.leave(caller)
			return m.Handler(server, ctx, decode, intercept)
		}
	}
	for i, m := range d.Streams {
		bounded.Streams[i].Handler = func(server any, stream grpc.ServerStream) error {
			caller := callerOf(stream.Context())
			if !r.streaming.take(caller) {
				return r.service.turnAway(m.StreamName)
			}
			defer r.streaming.leave(caller)
			return m.Handler(server, stream)
		}
	}
	r.ServiceRegistrar.RegisterService(&bounded, implementation)
}

// turnAway counts and logs a request that was refused before it was read, and
// returns what its caller is told.
func (s *Service) turnAway(method string) error {
	reported := public(errTooMany)
	s.count(method, codes.ResourceExhausted, reported)
	s.warnings.write(warning{method, codes.ResourceExhausted, classOf(errTooMany)}, entry{slog.LevelWarn, "request",
		[]slog.Attr{slog.String("method", method), slog.String("code", codes.ResourceExhausted.String()), slog.String("cause", errTooMany.Error())}})
	return reported
}

// connectionRefused counts and logs a connection beyond the bound.
func (s *Service) connectionRefused() {
	s.metrics.excessConnections.Inc()
	s.warnings.write(warning{class: "connection"}, entry{slog.LevelWarn, "connection refused: too many are open",
		[]slog.Attr{slog.Int("most", maxConnections)}})
}
