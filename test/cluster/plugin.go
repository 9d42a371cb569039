package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/test/components"
)

// maxSocketPath is the longest path that the address of a unix socket holds on
// every system, without its final zero byte.
const maxSocketPath = 103

// PluginOptions say how a kmsplugin is started.
type PluginOptions struct {
	// Name tells it from others; "a" by default.
	Name string
	// Vault, Role and Key fill in the plugin's vault section. Without Vault
	// that section is left to Config.
	Vault *Vault
	Role  AppRole
	Key   string
	// Addresses are where the plugin finds Vault, such as a Proxy's or those of
	// several nodes; the first node's alone by default.
	Addresses []string
	// Cluster is the cluster identity; "test" by default.
	Cluster string
	// Config is merged over what follows from the rest, map by map; a nil
	// value removes a key.
	Config map[string]any
	// ClockOffset is by how much the clock of its node is wrong, in whole
	// seconds. The cluster needs components.KMSPluginSkewed for any but 0.
	ClockOffset time.Duration
	// VaultAway makes StartPlugin wait only until the socket accepts
	// connections, because the plugin cannot serve yet.
	VaultAway bool
	// Args are further flags of "kmsplugin serve".
	Args []string
	// Env is added to its environment, such as "GODEBUG=fips140=only".
	Env []string
}

// Plugin is one kmsplugin. Restart waits until its socket accepts connections;
// WaitServing waits until it can encrypt.
type Plugin struct {
	*Process

	socket     string
	listen     string
	configFile string
	config     map[string]any
	conn       *grpc.ClientConn
}

// StartPlugin starts a kmsplugin and waits until it serves.
func (c *Cluster) StartPlugin(ctx context.Context, opts PluginOptions) (*Plugin, error) {
	return retryStart(func() (*Plugin, error) { return c.startPlugin(ctx, opts) })
}

func (c *Cluster) startPlugin(ctx context.Context, opts PluginOptions) (*Plugin, error) {
	if opts.Name == "" {
		opts.Name = "a"
	}
	name := c.claimName("kmsplugin-" + opts.Name)
	dir, err := c.subdir(name)
	if err != nil {
		return nil, err
	}
	p := &Plugin{configFile: filepath.Join(dir, "config.yaml"), socket: filepath.Join(dir, "kms.sock")}
	if len(p.socket) > maxSocketPath {
		return nil, fmt.Errorf("start %s: the path of its socket, %s, has more than %d bytes; set TMPDIR to a shorter directory",
			name, p.socket, maxSocketPath)
	}
	if p.listen, err = c.nextPort(); err != nil {
		return nil, err
	}
	p.config = pluginConfig(opts, p.socket, p.listen)
	if err := p.Configure(opts.Config); err != nil {
		return nil, err
	}
	if path, ok := p.config["socket"].(map[string]any)["path"].(string); ok {
		p.socket = path // where Config has put it
	}
	program := c.opts.Plugin
	if opts.ClockOffset != 0 {
		program = components.KMSPluginSkewed
	}
	p.Process = c.newProcess(name, dir, program,
		append([]string{"serve", "--config", p.configFile}, opts.Args...)...)
	p.env = append(p.env, opts.Env...)
	if opts.ClockOffset != 0 {
		p.env = append(p.env, components.ClockOffsetVariable+"="+opts.ClockOffset.String())
	}
	p.graceful = true
	p.ready = p.listening
	p.conn, err = grpc.NewClient("unix://"+p.socket, grpc.WithTransportCredentials(insecure.NewCredentials()), quickToReturn())
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", name, err)
	}
	c.onClose(p.conn.Close)
	if err := c.start(p.Process); err != nil {
		return nil, err
	}
	wait := p.WaitServing
	if opts.VaultAway {
		wait = p.WaitReady
	}
	if err := wait(ctx); err != nil {
		return nil, errors.Join(err, discard(p.Process))
	}
	return p, nil
}

// quickToReturn makes a client find a plugin again soon after that was started. By
// default it would wait for longer the longer the plugin was away, up to two minutes.
func quickToReturn() grpc.DialOption {
	return grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.6, MaxDelay: 250 * time.Millisecond},
		MinConnectTimeout: 20 * time.Second, // gRPC's own; it bounds a hang
	})
}

func pluginConfig(opts PluginOptions, socket, listen string) map[string]any {
	cluster := opts.Cluster
	if cluster == "" {
		cluster = "test"
	}
	config := map[string]any{
		"cluster": cluster,
		"socket":  map[string]any{"path": socket},
		"listen":  listen,
	}
	if opts.Vault != nil {
		var address any = opts.Addresses
		switch len(opts.Addresses) {
		case 0:
			address = opts.Vault.Address(0)
		case 1:
			address = opts.Addresses[0]
		}
		config["vault"] = map[string]any{
			"address": address,
			"ca-file": opts.Vault.CAFile(),
			"mount":   TransitMount,
			"key":     opts.Key,
			"auth": map[string]any{
				"method":         "approle",
				"role-id":        opts.Role.RoleID,
				"secret-id-file": opts.Role.SecretIDFile,
			},
		}
	}
	return config
}

// Configure merges changes over the plugin's configuration and writes its
// file. A running plugin sees them when it is restarted, and on-refusal at Reload.
func (p *Plugin) Configure(changes map[string]any) error {
	p.config = merge(p.config, changes)
	text, err := yaml.Marshal(p.config)
	if err != nil {
		return fmt.Errorf("write %s: %w", p.configFile, err)
	}
	return writeFile(p.configFile, text)
}

// merge returns base with changes over it; neither is modified.
func merge(base, changes map[string]any) map[string]any {
	merged := maps.Clone(base)
	for key, change := range changes {
		old, oldIsMap := merged[key].(map[string]any)
		sub, subIsMap := change.(map[string]any)
		switch {
		case change == nil:
			delete(merged, key)
		case oldIsMap && subIsMap:
			merged[key] = merge(old, sub)
		default:
			merged[key] = change
		}
	}
	return merged
}

// listening reports whether the socket accepts connections.
func (p *Plugin) listening(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", p.socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// WaitFor waits until the plugin does what goal says, which completes "wait for X to".
func (p *Plugin) WaitFor(ctx context.Context, goal string, cond func(context.Context) error) error {
	return p.wait(ctx, goal, cond)
}

// WaitServing waits until Status is ok.
func (p *Plugin) WaitServing(ctx context.Context) error {
	return p.wait(ctx, "serve", func(ctx context.Context) error {
		status, err := p.KMS().Status(ctx, &kms.StatusRequest{})
		if err != nil {
			return err
		}
		if status.GetHealthz() != "ok" || status.GetKeyId() == "" {
			return fmt.Errorf("its Status says healthz %q, key_id %q", status.GetHealthz(), status.GetKeyId())
		}
		return nil
	})
}

// WaitNewKeyID waits until Status names another key_id than the given one, and
// returns it.
func (p *Plugin) WaitNewKeyID(ctx context.Context, old string) (keyID string, err error) {
	err = p.wait(ctx, "change its key_id from "+old, func(ctx context.Context) error {
		keyID, err = p.KeyID(ctx)
		if err == nil && keyID == old {
			err = errors.New("its Status still names that one")
		}
		return err
	})
	return keyID, err
}

// WaitHeld waits until the plugin holds the local KEKs of n key versions: it serves as
// soon as it holds the one that it writes with.
func (p *Plugin) WaitHeld(ctx context.Context, n int) error {
	return p.wait(ctx, "hold local KEKs", func(ctx context.Context) error {
		m, err := p.Metrics(ctx)
		if err != nil {
			return err
		}
		if held, _ := m.Sum("sealproof_held", "kind=local_kek"); int(held) != n {
			return fmt.Errorf("it holds %v local KEKs, not %d", held, n)
		}
		return nil
	})
}

// KeyID asks Status for the key_id that the plugin writes with.
func (p *Plugin) KeyID(ctx context.Context) (string, error) {
	status, err := p.KMS().Status(ctx, &kms.StatusRequest{})
	if err != nil {
		return "", fmt.Errorf("ask %s for its key_id: %w", p.name, err)
	}
	return status.GetKeyId(), nil
}

// Idle makes a call that the plugin has nothing to do for: of a method that it does
// not have. What it takes is what any call takes on this machine at this moment.
func (p *Plugin) Idle(ctx context.Context) error {
	err := p.conn.Invoke(ctx, "/none/Nothing", &kms.StatusRequest{}, &kms.StatusResponse{})
	if status.Code(err) == codes.Unimplemented {
		return nil
	}
	return fmt.Errorf("have %s refuse a method that it does not have: %w", p.name, err)
}

// KMS is a client of the plugin's socket. Its connection is shared.
func (p *Plugin) KMS() kms.KeyManagementServiceClient {
	return kms.NewKeyManagementServiceClient(p.conn)
}

// Socket is the path of its unix socket.
func (p *Plugin) Socket() string { return p.socket }

// ConfigFile is the path of its configuration.
func (p *Plugin) ConfigFile() string { return p.configFile }

// Get returns the status and the body of one of its HTTP endpoints: "/livez",
// "/readyz", "/metrics".
func (p *Plugin) Get(ctx context.Context, path string) (status int, body string, err error) {
	data, status, err := httpGet(ctx, nil, "http://"+p.listen+path)
	if err != nil {
		return 0, "", fmt.Errorf("ask %s for %s: %w", p.name, path, err)
	}
	return status, string(data), nil
}

// Metrics reads /metrics.
func (p *Plugin) Metrics(ctx context.Context) (Metrics, error) {
	status, body, err := p.Get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("ask %s for /metrics: status %d", p.name, status)
	}
	return parseMetrics([]byte(body))
}

// Provider names this plugin in an EncryptionConfiguration.
func (p *Plugin) Provider(name string) KMSProvider {
	return KMSProvider{Name: name, Socket: p.socket}
}
