// Package plugininfo asks KMS v2 plugins for the key_ids of their keys, over the sockets that API
// servers ask them at: Status of the KMS API, and of this project's plugin its info API. Nothing
// is encrypted or decrypted.
//
// What a plugin says is quoted bounded, and without what a terminal would act upon.
package plugininfo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/term"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

const (
	longestWait   = 5 * time.Second // for one plugin; it answers from memory
	longestAnswer = 1 << 20         // in bytes
	longestQuote  = 300             // in bytes
)

// Ask asks the plugin at a socket, an absolute path or unix:///path. What keeps it from telling is
// in its Problem.
func Ask(ctx context.Context, socket string) keyjoin.Plugin {
	p := keyjoin.Plugin{Name: socket}
	path := strings.TrimPrefix(socket, "unix://")
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	if err := connects(ctx, path); err != nil {
		p.Problem = err.Error()
		return p
	}
	conn, err := grpc.NewClient("passthrough:///localhost",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(longestAnswer)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}))
	if err != nil {
		p.Problem = err.Error()
		return p
	}
	defer func() { _ = conn.Close() }()
	if err := ask(ctx, conn, &p); err != nil {
		p.Problem = err.Error()
	}
	return p
}

func ask(ctx context.Context, conn *grpc.ClientConn, p *keyjoin.Plugin) error {
	state, err := kms.NewKeyManagementServiceClient(conn).Status(ctx, &kms.StatusRequest{})
	if err != nil {
		return explain(err)
	}
	if state.GetHealthz() == "ok" {
		p.Current = state.GetKeyId()
	} else {
		p.Problem = "it is not healthy: " + quote(state.GetHealthz())
	}
	info, err := pluginv1.NewPluginServiceClient(conn).GetInfo(ctx, &pluginv1.GetInfoRequest{})
	switch status.Code(err) {
	case codes.OK:
	case codes.Unimplemented:
		return nil // another project's plugin
	default:
		return explain(err)
	}
	p.Lists = len(info.GetKeys()) > 0
	for _, key := range info.GetKeys() {
		p.Lists = p.Lists && len(key.GetVersions()) > 0 // one without any has not reached its key store
		for _, v := range key.GetVersions() {
			if v.GetKeyId() != "" {
				p.Versions = append(p.Versions, v.GetKeyId())
			}
		}
	}
	return nil
}

// connects returns an error that says what is there instead of a plugin: gRPC says of all of these
// only that there is no connection.
func connects(ctx context.Context, path string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn.Close()
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no socket is there; the endpoint in the EncryptionConfiguration says where it is")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nobody listens there: the plugin does not run, or it is no socket")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("this user may not connect to it: run etcdaudit as root")
	default:
		return fmt.Errorf("connect to it: %w", err)
	}
}

func explain(err error) error {
	switch s := status.Convert(err); s.Code() {
	case codes.Unimplemented:
		return errors.New("it answers, but not as a KMS v2 plugin")
	case codes.DeadlineExceeded:
		return fmt.Errorf("it gave no answer within %v", longestWait)
	default:
		return fmt.Errorf("it gave no answer (%v): %s", s.Code(), quote(s.Message()))
	}
}

func quote(text string) string { return term.Printable(text[:min(len(text), longestQuote)]) }
