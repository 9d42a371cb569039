// Package kmssocket has a KMS v2 plugin unwrap DEK sources, over the socket that an
// API server asks it at (k8s.io/kms/apis/v2). It asks for Status and Decrypt, and
// never has anything encrypted.
//
// It must never log or quote a secret. What a plugin says is quoted bounded, and
// without what a terminal would act upon.
package kmssocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/term"
)

// DefaultTimeout is an API server's own for one request.
const DefaultTimeout = 3 * time.Second

// maxAnswer bounds what is read of an answer, in bytes. A data key has 32.
const maxAnswer = 64 << 10

// uid marks the requests in the plugin's log, where an API server's have a random
// one.
const uid = "sealproof-etcdaudit"

// Plugin is a KMS v2 plugin. It is safe for concurrent use.
type Plugin struct {
	path    string
	timeout time.Duration
	conn    *grpc.ClientConn
	client  kms.KeyManagementServiceClient
	state   *kms.StatusResponse // when it was opened
}

var _ verify.Unwrapper = (*Plugin)(nil)

// Open returns the plugin that serves the socket of a path, which is absolute or
// begins with unix://; as for an API server one that begins with /@ is abstract, and no
// file. Each request has at most timeout. An error says what is there
// instead of a plugin. The caller closes it.
func Open(ctx context.Context, path string, timeout time.Duration) (*Plugin, error) {
	p, err := open(ctx, path, timeout)
	if err != nil {
		return nil, fmt.Errorf("KMS plugin %s: %w", strings.TrimPrefix(path, "unix://"), err)
	}
	return p, nil
}

func open(ctx context.Context, path string, timeout time.Duration) (*Plugin, error) {
	path = strings.TrimPrefix(path, "unix://")
	address := path
	if strings.HasPrefix(path, "/@") {
		address = path[1:]
	} else if err := check(path); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///localhost",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", address)
		}))
	if err != nil {
		return nil, err
	}
	p := &Plugin{path: path, timeout: timeout, conn: conn, client: kms.NewKeyManagementServiceClient(conn)}
	if err := p.greet(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, nil
}

// Close ends the connection.
func (p *Plugin) Close() error { return p.conn.Close() }

// ErrNoSocket is of a path at which there is no socket.
var ErrNoSocket = errors.New("no socket")

// check looks at what is there before it is connected to: gRPC says of all of these
// only that there is no connection.
func check(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%w: want the absolute path of one", ErrNoSocket)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w is there; the endpoint in the EncryptionConfiguration says where it is", ErrNoSocket)
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%w, but something else", ErrNoSocket)
	default:
		return nil
	}
}

// greet asks for Status, as an API server does first.
func (p *Plugin) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answer, err := p.client.Status(ctx, &kms.StatusRequest{})
	switch {
	case err != nil:
		return fmt.Errorf("ask for its status: %w", p.explain(err))
	case answer.GetVersion() != "v2" && answer.GetVersion() != "v2beta1":
		return fmt.Errorf("it speaks version %q, want v2", quote(answer.GetVersion()))
	default:
		p.state = answer // one that calls itself unhealthy may still decrypt
		return nil
	}
}

// Unwrap implements verify.Unwrapper.
func (p *Plugin) Unwrap(ctx context.Context, s verify.Source) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answer, err := p.client.Decrypt(ctx, &kms.DecryptRequest{Ciphertext: s.DEKSource, Uid: uid, KeyId: s.KeyID, Annotations: s.Annotations})
	if err == nil {
		return answer.GetPlaintext(), nil
	}
	err = p.explain(err)
	if outcome := outcomeOf(err); outcome != verify.NotEvaluated {
		return nil, &verify.UnwrapError{Outcome: outcome, Err: err}
	}
	return nil, fmt.Errorf("KMS plugin %s: %w", p.path, err)
}

// What this project's plugin says of a source of another cluster, and of a version
// that its key store no longer decrypts with, by what it was told or has seen before.
// All have the code of several other refusals (kmsplugin/errors.go).
const (
	saysOtherCluster = "ciphertext of another cluster"
	saysRetired      = "below min_decryption_version"
	saysRaised       = "its minimum was raised above it"
)

// outcomeOf says what an answer means for the source. NotEvaluated is for those of a
// plugin that could not do its work.
func outcomeOf(err error) verify.Outcome {
	text := err.Error()
	switch code := status.Code(err); code {
	case codes.InvalidArgument:
		return verify.WrongKey
	case codes.FailedPrecondition:
		switch {
		case strings.Contains(text, saysOtherCluster):
			return verify.OtherCluster
		case strings.Contains(text, saysRetired), strings.Contains(text, saysRaised):
			return verify.VersionRetired
		}
		return verify.Refused
	case codes.Unknown, codes.Internal, codes.NotFound, codes.PermissionDenied, codes.OutOfRange, codes.DataLoss:
		return verify.Refused // many plugins have one code for everything
	default:
		return verify.NotEvaluated
	}
}

// answer is what a plugin has said, in its code and words.
type answer struct {
	text string
	err  error
}

func (a *answer) Error() string { return a.text }

func (a *answer) Unwrap() error { return a.err }

// explain says what the failure of a request means.
func (p *Plugin) explain(err error) error {
	var text string
	switch s := status.Convert(err); {
	case errors.Is(err, context.Canceled), s.Code() == codes.Canceled:
		text = "the request was ended"
	case s.Code() == codes.DeadlineExceeded:
		text = fmt.Sprintf("no answer within %v", p.timeout)
	case s.Code() == codes.Unimplemented:
		text = "it answers, but not as KMS v2: another service, or a plugin that speaks KMS v1 only"
	case s.Code() == codes.Unavailable && strings.Contains(s.Message(), syscall.ECONNREFUSED.Error()):
		text = "nobody listens at the socket: the plugin is not running"
	case s.Code() == codes.Unavailable && strings.Contains(s.Message(), syscall.EACCES.Error()):
		text = "this user may not connect to the socket"
	case s.Code() == codes.Unavailable && strings.Contains(s.Message(), "error reading server preface"):
		text = "it does not speak gRPC, or ends each connection: it is no KMS plugin that works"
	case s.Code() == codes.Unavailable:
		text = "it does not serve: " + quote(s.Message())
	default:
		text = fmt.Sprintf("it refuses (%v): %s", s.Code(), quote(s.Message()))
	}
	return &answer{text: text, err: err}
}

// maxQuote bounds what is quoted of a plugin, in bytes.
const maxQuote = 300

func quote(text string) string { return term.Printable(text[:min(len(text), maxQuote)]) }
