package live

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/internal/term"
)

// Kind tells apart those errors that a caller treats in its own way.
type Kind int

const (
	// Other is every other failure; the text of the Error says which.
	Other Kind = iota
	// BadConfig: a file, an endpoint or a combination of them cannot be used.
	BadConfig
	// Permission: the user may not read the range.
	Permission
)

// Error says what could not be read and what to do about it.
type Error struct {
	Kind Kind
	Op   string // what was being done: "count the keys under /registry/"
	What string // what went wrong, in plain words
	Do   string // what to do about it; may be empty
	Err  error  // the cause; may be nil
}

func (e *Error) Error() string {
	text := e.Op + ": " + e.What
	if e.Err != nil {
		text += " (" + e.cause() + ")"
	}
	if e.Do != "" {
		text += "; " + e.Do
	}
	return text
}

// cause is the text of the cause. What a server answers, and the names in its
// certificate, reach a terminal by way of it before the server has shown that it
// is to be trusted.
func (e *Error) cause() string {
	if e.Kind == BadConfig {
		return e.Err.Error() // our own words, a line for each mistake
	}
	return term.Printable(e.Err.Error())
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err, Other if it has none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Other
}

// classify turns what a request returned into an Error. ctx is the caller's,
// without the request's own timeout, and prefix that of the keys. It returns ok false when only a look at
// the connection can tell more.
func classify(ctx context.Context, op, prefix string, err error) (_ *Error, ok bool) {
	e := &Error{Op: op, Err: err}
	switch {
	case ctx.Err() != nil:
		e.What, e.Err = "interrupted", context.Cause(ctx)
	case errors.Is(err, rpctypes.ErrCompacted):
		e.What = "the revision being read was compacted before the reading ended"
		e.Do = "nothing is reported, because a mixture of revisions proves nothing; run again, nearer to etcd if reading is slow, " +
			"or raise the API server's --etcd-compaction-interval (5 minutes by default)"
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		e.Kind = Permission
		e.What = "this user may not read the whole prefix"
		e.Do = "grant that to one of its roles (etcdctl user get lists them), with: etcdctl role grant-permission ROLE read --prefix=true " + prefix
	case errors.Is(err, rpctypes.ErrUserEmpty):
		e.What = "etcd's authentication is on and no user is given"
		e.Do = "set ETCDCTL_USER and ETCDCTL_PASSWORD, or use a client certificate whose common name is an etcd user"
	case errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrInvalidAuthToken):
		e.What = "etcd refuses the user or the password"
		e.Do = "check ETCDCTL_USER and ETCDCTL_PASSWORD"
	case noLeader(err):
		e.What = "etcd has no leader"
		e.Do = "look at the health of its members: etcdctl endpoint health --cluster"
	case unanswered(err):
		return nil, false
	default:
		e.What = "etcd refuses the request"
	}
	return e, true
}

// noLeader reports whether a member has answered that it cannot ask the others.
func noLeader(err error) bool {
	return errors.Is(err, rpctypes.ErrNoLeader) || errors.Is(err, rpctypes.ErrTimeout) ||
		errors.Is(err, rpctypes.ErrTimeoutDueToLeaderFail) || errors.Is(err, rpctypes.ErrTimeoutDueToConnectionLost) ||
		errors.Is(err, rpctypes.ErrLeaderChanged)
}

// unanswered reports whether there was no answer, or no connection.
func unanswered(err error) bool {
	code := codeOf(err)
	return errors.Is(err, context.DeadlineExceeded) || code == codes.DeadlineExceeded || code == codes.Unavailable
}

// codeOf also finds the code of errors that etcd's client has renamed.
func codeOf(err error) codes.Code {
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return e.Code()
	}
	return status.Code(err)
}

// oversized reports whether a response was refused because it exceeds the
// receive limit. etcd uses the same code for requests it has no room for.
func oversized(err error) bool {
	_, fromEtcd := errors.AsType[rpctypes.EtcdError](err)
	return !fromEtcd && status.Code(err) == codes.ResourceExhausted
}

func inconsistent(op, format string, args ...any) *Error {
	return &Error{
		Op: op, What: fmt.Sprintf(format, args...),
		Do: "nothing is reported; check the members with: etcdctl endpoint hashkv --cluster",
	}
}
