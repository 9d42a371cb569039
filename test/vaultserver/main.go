// Command vaultserver is a real Vault 1.21.0 for development and tests: Raft
// storage on disk, TLS, the Transit engine, the auth methods that Sealproof
// supports and the file audit device, without the cloud SDKs that the whole
// Vault CLI brings along.
//
// It starts sealed and knows nothing of any test: it is initialised, joined to
// a cluster, unsealed and configured through Vault's own API, and may be
// stopped and started again on the same data directory.
//
// Vault's licence is BUSL-1.1. That is why this module is nested, and why
// nothing of it may ever be linked into, or shipped with, the product.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/vault"
	"github.com/hashicorp/vault/version"
)

// stopTimeout is how long an orderly stop may take. What is on disk survives a
// kill as well, so it is better to be gone than to keep a test waiting.
const stopTimeout = 1500 * time.Millisecond

type options struct {
	listen        string
	clusterListen string
	data          string
	nodeID        string
	tlsCert       string
	tlsKey        string
	logLevel      string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "vaultserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("vaultserver", flag.ContinueOnError)
	flags.StringVar(&o.listen, "listen", "", "`host:port` of the API (TLS)")
	flags.StringVar(&o.clusterListen, "cluster-listen", "", "`host:port` for Raft and request forwarding")
	flags.StringVar(&o.data, "data", "", "`directory` of the Raft storage; created if missing")
	flags.StringVar(&o.nodeID, "node-id", "", "`name` of this node, unique in its cluster")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` with the server certificate")
	flags.StringVar(&o.tlsKey, "tls-key", "", "PEM `file` with its key")
	flags.StringVar(&o.logLevel, "log-level", "info", "trace, debug, info, warn or error")
	showVersion := flags.Bool("version", false, "print the version of Vault and exit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *showVersion {
		fmt.Println("vault", version.GetVersion().VersionNumber())
		return nil
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err := o.validate(); err != nil {
		return err
	}
	return serve(ctx, o)
}

func (o options) validate() error {
	for _, f := range []struct{ name, value string }{
		{"listen", o.listen}, {"cluster-listen", o.clusterListen}, {"data", o.data},
		{"node-id", o.nodeID}, {"tls-cert", o.tlsCert}, {"tls-key", o.tlsKey},
	} {
		if f.value == "" {
			return fmt.Errorf("--%s is required", f.name)
		}
	}
	if hclog.LevelFromString(o.logLevel) == hclog.NoLevel {
		return fmt.Errorf("--log-level: %q is none of trace, debug, info, warn, error", o.logLevel)
	}
	return nil
}

func serve(ctx context.Context, o options) error {
	// Vault's packages prefer their environment variables to what they are
	// given: a VAULT_RAFT_PATH left over in a shell would move the storage.
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "VAULT_") {
			_ = os.Unsetenv(name)
		}
	}
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name:       "vault",
		Level:      hclog.LevelFromString(o.logLevel),
		Output:     os.Stderr,
		JSONFormat: true,
	})

	clusterAddr, err := net.ResolveTCPAddr("tcp", o.clusterListen)
	if err != nil {
		return fmt.Errorf("--cluster-listen: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return fmt.Errorf("load the server certificate: %w", err)
	}
	// The port is taken before the storage is opened: a second server on the
	// same port must not touch the first one's data.
	listener, err := tls.Listen("tcp", o.listen, &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		// The cert auth method reads the client's certificate if there is one;
		// it does the verification itself.
		ClientAuth: tls.RequestClientCert,
	})
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer func() { _ = listener.Close() }()

	storage, err := openStorage(o, logger)
	if err != nil {
		return err
	}
	defer func() { _ = storage.Close() }()

	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		HAPhysical:         storage,
		StorageType:        "raft",
		RedirectAddr:       "https://" + o.listen,
		ClusterAddr:        "https://" + o.clusterListen,
		DisableMlock:       true,
		LogicalBackends:    secretEngines(),
		CredentialBackends: authMethods(),
		AuditBackends:      auditDevices(),
		BuiltinRegistry:    builtins{},
		Logger:             logger,
		LogLevel:           o.logLevel,
	})
	if err != nil {
		return fmt.Errorf("create the Vault core: %w", err)
	}

	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{Address: o.listen},
	})
	// Both are needed before the first unseal: Raft talks, and standbys forward
	// requests, over this address.
	core.SetClusterListenerAddrs([]*net.TCPAddr{clusterAddr})
	core.SetClusterHandler(handler)

	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          logger.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	logger.Info("listening", "address", o.listen, "cluster_address", o.clusterListen, "node_id", o.nodeID)

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	_ = server.Close()
	stopCore(core, logger)
	return nil
}

func openStorage(o options, logger hclog.Logger) (*raft.RaftBackend, error) {
	data, err := filepath.Abs(o.data)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	backend, err := raft.NewRaftBackend(map[string]string{
		"path":    data,
		"node_id": o.nodeID,
		// Elections in about a second rather than five.
		"performance_multiplier": "1",
		// How soon a node that joined is given its vote, beside the autopilot's
		// own server_stabilization_time: 10 s unless told otherwise.
		"autopilot_reconcile_interval": "500ms",
		"autopilot_update_interval":    "250ms",
	}, logger.Named("storage.raft"))
	if err != nil {
		return nil, fmt.Errorf("open the Raft storage in %s: %w", data, err)
	}
	storage, ok := backend.(*raft.RaftBackend)
	if !ok {
		return nil, fmt.Errorf("open the Raft storage in %s: it is a %T", data, backend)
	}
	return storage, nil
}

// stopCore seals the node, which hands over leadership and closes Raft.
func stopCore(core *vault.Core, logger hclog.Logger) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := core.Shutdown(); err != nil {
			logger.Warn("stop", "error", err)
		}
	}()
	select {
	case <-done:
		logger.Info("stopped")
	case <-time.After(stopTimeout):
		logger.Warn("stopped without waiting any longer", "timeout", stopTimeout)
	}
}
