package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/internal/term"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// askTimeout limits requests that the plugin answers from memory.
const askTimeout = 5 * time.Second

// addSocketFlags gives a command that talks to a running plugin --config and
// --socket-path. It returns a function that finds the socket. Invalid values in the
// rest of the configuration do not matter: in an outage an operator must not have to
// repair a file first.
func addSocketFlags(cmd *cobra.Command) (find func() (string, error)) {
	c := defaultConfig()
	flags := cmd.Flags()
	file := flags.String("config", "", "configuration file (YAML) that names the socket")
	flags.String("socket-path", c.Socket.Path, "path of the plugin's unix socket")
	return func() (string, error) {
		if err := cli.Load(flags, cli.Sources{File: *file, Prefix: envPrefix}, &c); err != nil {
			return "", err
		}
		if err := c.Socket.Validate(); err != nil {
			return "", cli.Usage(fmt.Errorf("socket.%w", err))
		}
		return c.Socket.Path, nil
	}
}

// dialPlugin returns a client of the plugin behind a socket that accepts connections.
func dialPlugin(ctx context.Context, path string) (pluginv1.PluginServiceClient, io.Closer, error) {
	if err := tryConnect(ctx, path); err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, fmt.Errorf("prepare a connection to %s: %w", path, err)
	}
	return pluginv1.NewPluginServiceClient(conn), conn, nil
}

// tryConnect returns an error that tells an operator why no plugin answers.
func tryConnect(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn.Close()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no socket at %s: check that the plugin runs, and name its socket.path with --socket-path or --config", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no process listens on %s: the plugin that made it has ended; read its log", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not connect to %s, which needs write permission on the socket: run the command as root or as a member of the socket's group", path)
	default:
		return fmt.Errorf("connect to %s: %w", path, err)
	}
}

// explain turns the error of a call into one that says what to do.
func explain(path string, err error) error {
	s, ok := status.FromError(err)
	switch {
	case !ok:
		return fmt.Errorf("ask the plugin at %s: %w", path, err)
	case s.Code() == codes.Unimplemented:
		return fmt.Errorf("the process that serves %s has no info API: it is another plugin, or an older Sealproof", path)
	case s.Code() == codes.DeadlineExceeded:
		return fmt.Errorf("the plugin at %s accepts connections but does not answer within %v", path, askTimeout)
	default:
		return fmt.Errorf("the plugin at %s answers %s: %s", path, s.Code(), term.Printable(s.Message()))
	}
}

// getInfo asks the plugin once.
func getInfo(ctx context.Context, plugin pluginv1.PluginServiceClient, path string) (*pluginv1.GetInfoResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, err := plugin.GetInfo(ctx, &pluginv1.GetInfoRequest{})
	if err != nil {
		return nil, explain(path, err)
	}
	return info, nil
}
