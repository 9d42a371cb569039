package live

import (
	"context"
	"errors"
	"io"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// About three seconds of repeating: enough for an election or for another member to take over,
// and short enough that a wrong address is reported soon.
const (
	maxRepeats  = 10
	repeatAfter = 300 * time.Millisecond
)

// page asks for one answer, once. f is given it.
func (s *Store) page(ctx context.Context, req *pb.RangeRequest, f *frame) error {
	request, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.client.ActiveConnection().Invoke(request, pb.KV_Range_FullMethodName, req, f, grpc.ForceCodecV2(f), grpc.MaxCallRecvMsgSize(receiveLimit))
	if request.Err() != nil && ctx.Err() == nil {
		return request.Err()
	}
	return rpctypes.Error(err)
}

// stream gives each message of a stream to f and calls visit, until visit returns false or an
// error, which is returned as it is, or until the stream ends. failed is an error of the
// stream itself. Between two messages no more than the timeout of a request may pass.
func (s *Store) stream(ctx context.Context, req *pb.RangeRequest, f *frame, visit func() (bool, error)) (failed, err error) {
	streaming, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(s.timeout, func() { cancel(context.DeadlineExceeded) })
	defer watchdog.Stop()
	wrong := func(err error) error {
		if cause := context.Cause(streaming); cause != nil && ctx.Err() == nil {
			return cause
		}
		return rpctypes.Error(err)
	}
	messages, err := s.client.ActiveConnection().NewStream(streaming, &grpc.StreamDesc{ServerStreams: true}, pb.KV_RangeStream_FullMethodName,
		grpc.ForceCodecV2(f), grpc.MaxCallRecvMsgSize(receiveLimit))
	if err == nil {
		err = messages.SendMsg(req)
	}
	if err == nil {
		err = messages.CloseSend()
	}
	if err != nil && !errors.Is(err, io.EOF) { // for which the first message has the reason
		return wrong(err), nil
	}
	for {
		watchdog.Reset(s.timeout)
		if err := messages.RecvMsg(f); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return wrong(err), nil
		}
		watchdog.Stop() // what is done with the message takes its own time
		if more, err := visit(); err != nil || !more {
			return nil, err
		}
	}
}

// repeat calls ask until it succeeds, or fails with what asking again does not change.
func (s *Store) repeat(ctx context.Context, ask func() error) error {
	for n := 1; ; n++ {
		err := ask()
		if !transient(err) || n >= maxRepeats || !s.pause(ctx, err) {
			return err
		}
	}
}

// pause waits before a request is repeated. It returns false if ctx ends.
func (s *Store) pause(ctx context.Context, err error) bool {
	if tokenRefused(err) { // etcd's client takes a new one
		request, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		_, _ = s.client.Get(request, compactionKey, clientv3.WithCountOnly()) // the next request fails where this did
		return ctx.Err() == nil
	}
	wait := time.NewTimer(repeatAfter)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// transient reports whether the same request may succeed a little later, or at another member.
func transient(err error) bool {
	for _, passing := range []error{
		rpctypes.ErrNoLeader, rpctypes.ErrLeaderChanged, rpctypes.ErrNotCapable, rpctypes.ErrStopped, rpctypes.ErrTimeoutDueToLeaderFail,
		rpctypes.ErrTimeoutDueToConnectionLost,
		rpctypes.ErrFutureRev, // of a member that is behind the one that named the revision
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return tokenRefused(err) || codeOf(err) == codes.Unavailable
}

// tokenRefused reports whether another token may be accepted: a member that was restarted knows none,
// and one that was given before users or roles were changed is old.
func tokenRefused(err error) bool {
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision)
}
