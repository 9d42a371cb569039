package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/kmsplugin/socket"
	"github.com/sealproof/sealproof/vaultbackend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// envPrefix begins the environment variables that set configuration keys.
const envPrefix = "KMSPLUGIN"

// config is everything that an operator can configure. It contains no secret, only
// paths of files that do.
type config struct {
	kmsplugin.Config `mapstructure:",squash"`
	Socket           socket.Config       `mapstructure:"socket"`
	Vault            vaultbackend.Config `mapstructure:"vault"`
	// Previous are keys that only decrypt. Each sets what differs from Vault. They can
	// be set in the configuration file only.
	Previous  []map[string]any `mapstructure:"previous"`
	Listen    string           `mapstructure:"listen" help:"address of /livez, /readyz and /metrics, loopback unless listen-tls is set; empty serves none"`
	ListenTLS listenTLS        `mapstructure:"listen-tls"`
	LogLevel  string           `mapstructure:"log-level" help:"debug, info, warn or error"`
}

// listenTLS makes callers of health and metrics authenticate with a certificate.
type listenTLS struct {
	CertFile     string `mapstructure:"cert-file" help:"certificate of the health and metrics listener (PEM), read at every connection"`
	KeyFile      string `mapstructure:"key-file" help:"its private key (PEM)"`
	ClientCAFile string `mapstructure:"client-ca-file" help:"CA certificates for the certificates of callers (PEM)"`
}

func (l listenTLS) enabled() bool { return l != listenTLS{} }

func (l listenTLS) validate() error {
	if l.enabled() && (l.CertFile == "" || l.KeyFile == "" || l.ClientCAFile == "") {
		return errors.New("listen-tls: set cert-file, key-file and client-ca-file together, or none of them")
	}
	return nil
}

func defaultConfig() config {
	return config{
		Config:   kmsplugin.DefaultConfig(),
		Socket:   socket.Config{Path: "/run/kmsplugin/sealproof.sock", Mode: "0660"},
		Vault:    vaultbackend.DefaultConfig(),
		Listen:   "127.0.0.1:8085",
		LogLevel: "info",
	}
}

// addConfigFlags gives a command --config and a flag for every key. It returns a
// function that loads and checks the configuration, and can be called again.
func addConfigFlags(cmd *cobra.Command) (load func() (config, error)) {
	defaults := defaultConfig()
	flags := cmd.Flags()
	file := flags.String("config", "", "configuration file (YAML)")
	cli.AddFlags(flags, &defaults)
	return func() (config, error) {
		c := defaultConfig()
		if err := cli.Load(flags, cli.Sources{File: *file, Prefix: envPrefix}, &c); err != nil {
			return config{}, err
		}
		// From here on each is complete, as the command config prints it.
		for i := range c.Previous {
			previous, err := c.previous(i)
			if err != nil {
				return config{}, err
			}
			c.Previous[i] = cli.Tree(&previous)
		}
		if err := c.validate(); err != nil {
			return config{}, cli.Usage(fmt.Errorf("%s:\n  %s", describe(*file), strings.ReplaceAll(err.Error(), "\n", "\n  ")))
		}
		return c, nil
	}
}

// previous returns the i-th key that only decrypts. What its section does not set is
// taken from the key that writes, except auth where the method differs.
func (c config) previous(i int) (vaultbackend.Config, error) {
	previous := c.Vault
	if auth, ok := c.Previous[i]["auth"].(map[string]any); ok && auth["method"] != nil {
		previous.Auth = client.AuthConfig{}
	}
	err := cli.Overlay(&previous, previousName(i), c.Previous[i])
	return previous, err
}

func previousName(i int) string { return fmt.Sprintf("previous[%d]", i) }

func describe(file string) string {
	if file == "" {
		return "configuration (no file was named with --config)"
	}
	return "configuration in " + file
}

// validate returns every invalid value with its key.
func (c config) validate() error {
	errs := []error{c.Config.Validate()}
	if err := c.Socket.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("socket.%w", err))
	}
	errs = append(errs, c.Vault.Validate())
	for i := range c.Previous {
		previous, err := c.previous(i)
		if err == nil {
			err = previous.Validate()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", previousName(i), err))
		}
	}
	errs = append(errs, c.ListenTLS.validate())
	if err := checkListen(c.Listen, c.ListenTLS.enabled()); err != nil {
		errs = append(errs, fmt.Errorf("listen: %w", err))
	}
	if _, err := c.level(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkListen refuses addresses that other machines can reach, unless callers must
// show a certificate.
func checkListen(address string, authenticated bool) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q: want host:port: %w", address, err)
	}
	if authenticated {
		return nil
	}
	if ip, err := netip.ParseAddr(host); (err != nil || !ip.IsLoopback()) && host != "localhost" {
		return fmt.Errorf("%q: want a loopback address such as 127.0.0.1:8085; to listen elsewhere set listen-tls, which authenticates callers", address)
	}
	return nil
}

func (c config) level() (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return 0, fmt.Errorf("log-level: %q: want debug, info, warn or error", c.LogLevel)
	}
	return level, nil
}

// logger returns a logger that writes JSON lines.
func (c config) logger(w io.Writer) (*slog.Logger, error) {
	level, err := c.level()
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: readableDuration})), nil
}

// readableDuration writes 2.5s where JSON would have 2500000000.
func readableDuration(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func newConfig() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration: defaults, file, environment and flags together",
		Long: `Print the configuration that serve would use, and check it. It contains no secret:
secrets are in the files that it names, which are not read.`,
		Example: `  kmsplugin config --config /etc/kmsplugin/config.yaml
  KMSPLUGIN_CLUSTER=prod-eu-1 kmsplugin config --vault-address https://vault:8200 --output json`,
		Args: cobra.NoArgs,
	}
	load := addConfigFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "yaml", "output format: yaml or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		return printConfig(cmd.OutOrStdout(), c, output)
	}
	return cmd
}

func printConfig(w io.Writer, c config, output string) error {
	var text []byte
	var err error
	switch output {
	case "yaml":
		text, err = yaml.Marshal(cli.Tree(&c))
	case "json":
		text, err = yaml.Marshal(cli.Tree(&c))
		if err == nil {
			text, err = yaml.YAMLToJSON(text)
		}
		text = append(text, '\n')
	default:
		return cli.Usage(fmt.Errorf("--output %s: want yaml or json", output))
	}
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	_, err = w.Write(text)
	return err
}
