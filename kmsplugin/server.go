package kmsplugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	kmsapi "k8s.io/kms/apis/v2"
	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/kmsplugin/intake"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

const (
	// connectionTimeout bounds how long a caller may take to say that it speaks
	// HTTP/2.
	connectionTimeout = 5 * time.Second
	// streamWorkers are goroutines that serve one request after another. A goroutine
	// for each request would begin with a small stack and grow it, which takes an
	// eighth of the time of a call that does not ask Vault. When all of them wait for
	// the key store, further requests get goroutines of their own.
	streamWorkers = 16
)

// NewServer returns a gRPC server for the KMS v2 API, for gRPC's own health
// service and for what the plugin tells about itself.
func NewServer(s *Service) *grpc.Server {
	g := grpc.NewServer(append(s.limits(),
		grpc.ConnectionTimeout(connectionTimeout),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.ChainUnaryInterceptor(s.observe, s.recover),
		grpc.ChainStreamInterceptor(s.recoverStream),
	)...)
	r := newRegistrar(g, s)
	kmsapi.RegisterKeyManagementServiceServer(r, service.NewGRPCService("", 0, s))
	grpc_health_v1.RegisterHealthServer(r, grpcHealth{service: s})
	pluginv1.RegisterPluginServiceServer(r, info{service: s})
	return g
}

// drainer is a listener that can stop taking connections without losing one.
type drainer interface {
	// Drain returns when every connection accepted is being served, and no
	// other will be.
	Drain(ctx context.Context) error
}

// Serve serves until the context ends, then lets requests under way finish for
// at most grace, and cuts the rest.
func (s *Service) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	g := NewServer(s)
	done := make(chan error, 1)
	go func() { done <- g.Serve(intake.Limit(l, intakeLimits(), s.connectionRefused)) }()
	defer s.warnings.flush()
	select {
	case err := <-done:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	s.rehearsal.end(nil) // its stream would be waited for
	cut := time.AfterFunc(grace, g.Stop)
	// gRPC closes at once the connections that it has accepted and not begun with.
	if d, ok := l.(drainer); ok {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace/2)
		if err := d.Drain(limit); err != nil {
			s.log.Warn("a caller may have been cut off", "cause", err.Error())
		}
		cancel()
	}
	g.GracefulStop()
	cut.Stop()
	if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}
	return nil
}

// recover turns a defect into one failed request: a plugin that dies takes the
// API server's writes, and at its next start its reads, with it.
func (s *Service) recover(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer s.logPanic(info.FullMethod, &err)
	return next(ctx, req)
}

func (s *Service) recoverStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if errors.Is(err, errPanic) {
			err = public(err)
		}
	}()
	defer s.logPanic(info.FullMethod, &err)
	return next(server, stream)
}

// logPanic, when it is deferred, logs a panic and makes it an error.
func (s *Service) logPanic(method string, err *error) {
	r := recover()
	if r == nil {
		return
	}
	*err = errPanic
	s.metrics.panics.Inc()
	// The panic's own text is not logged: it could quote secrets.
	method, kind := path.Base(method), fmt.Sprintf("%T", r)
	s.warnings.write(warning{method, codes.Internal, "panic of type " + kind}, entry{slog.LevelError, "defect: panic in a request",
		[]slog.Attr{slog.String("method", method), slog.String("type", kind), slog.String("stack", string(debug.Stack()))}})
}

// observe counts, times and logs every request, and turns its error into what
// the caller may be told.
func (s *Service) observe(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method := path.Base(info.FullMethod)
	start := time.Now()
	resp, err := next(ctx, req)
	took := time.Since(start)
	reported, result := err, codes.OK
	if err != nil {
		if _, ok := status.FromError(err); !ok {
			reported = public(err)
		}
		result = status.Code(reported)
	}
	s.count(method, result, reported)
	s.metrics.duration.WithLabelValues(method).Observe(took.Seconds())
	s.logRequest(ctx, method, req, resp, result, took, err)
	return resp, reported
}

// count counts a request by what its caller is told.
func (s *Service) count(method string, result codes.Code, reported error) {
	s.rehearsal.note(method, reasonOf(reported))
	s.metrics.requests.WithLabelValues(method, result.String()).Inc()
}

func (s *Service) logRequest(ctx context.Context, method string, req, resp any, result codes.Code, took time.Duration, err error) {
	level := slog.LevelDebug
	switch {
	case err != nil:
		level = slog.LevelWarn
	case method == "Encrypt": // once an API server's start, and once a rotation
		level = slog.LevelInfo
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("method", method), slog.String("code", result.String()), slog.Duration("took", took)}
	if r, ok := req.(interface{ GetUid() string }); ok {
		attrs = append(attrs, slog.String("uid", clip(r.GetUid())))
	}
	for _, side := range []any{req, resp} {
		if r, ok := side.(interface{ GetKeyId() string }); ok && err == nil {
			attrs = append(attrs, slog.String("key_id", clip(r.GetKeyId())))
		}
	}
	if err != nil {
		attrs = append(attrs, slog.String("cause", err.Error()))
		s.warnings.write(warning{method, result, classOf(err)}, entry{level, "request", attrs})
		return
	}
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

// reasonOf is what the caller is told; empty if nothing failed.
func reasonOf(reported error) string {
	if reported == nil {
		return ""
	}
	return status.Convert(reported).Message()
}

// clip bounds what a caller can make us log.
func clip(text string) string { return text[:min(len(text), 128)] }

// grpcHealth answers gRPC's health protocol from the snapshot.
type grpcHealth struct {
	grpc_health_v1.UnimplementedHealthServer
	service *Service
}

// Check reports whether requests are served.
func (h grpcHealth) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	answer := grpc_health_v1.HealthCheckResponse_SERVING
	if _, err := h.service.Status(ctx); err != nil {
		answer = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return &grpc_health_v1.HealthCheckResponse{Status: answer}, nil
}
