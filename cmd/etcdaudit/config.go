package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// scanConfig is the configuration of `etcdaudit scan`. Nothing secret is in it.
type scanConfig struct {
	Endpoints []string `mapstructure:"endpoints" help:"members of one etcd cluster, https://host:port or unix:///path, separated by commas"`
	CACert    string   `mapstructure:"cacert" help:"file with the CA certificates that signed etcd's own (default: the system's)"`
	Cert      string   `mapstructure:"cert" help:"file with this client's certificate"`
	Key       string   `mapstructure:"key" help:"file with the key of that certificate"`
	Prefix    string   `mapstructure:"prefix" help:"prefix of the Kubernetes keys (OpenShift: /kubernetes.io, /openshift.io)"`

	EncryptionProviderConfig string `mapstructure:"encryption-provider-config" help:"EncryptionConfiguration file of the API server to compare the store with; its keys are tried on the values"`
	CurrentKeyID             string `mapstructure:"current-key-id" help:"key_id that KMS v2 values should have (default: the newest in the store)"`

	Output  string        `mapstructure:"output" help:"table or json"`
	FailOn  string        `mapstructure:"fail-on" help:"lowest severity of a finding that makes the exit status 1: info, low, medium, high or critical"`
	Timeout time.Duration `mapstructure:"timeout" help:"how long one request to etcd may take"`
}

func scanDefaults() scanConfig {
	return scanConfig{Prefix: "/registry", Output: "table", FailOn: "medium", Timeout: 30 * time.Second}
}

// withEtcdctl fills in what an operator who uses etcdctl has in the environment
// already. It comes before anything of our own.
func (c scanConfig) withEtcdctl(getenv func(string) string) scanConfig {
	if v := getenv("ETCDCTL_ENDPOINTS"); v != "" {
		c.Endpoints = strings.Split(v, ",")
	}
	for variable, setting := range map[string]*string{"ETCDCTL_CACERT": &c.CACert, "ETCDCTL_CERT": &c.Cert, "ETCDCTL_KEY": &c.Key} {
		if v := getenv(variable); v != "" {
			*setting = v
		}
	}
	return c
}

// login reads etcd's user and password. They come from the environment only: a
// flag would show them to every process. As for etcdctl, the user may carry the
// password after a colon.
func login(getenv func(string) string) (user, password string) {
	user, password = getenv("ETCDCTL_USER"), getenv("ETCDCTL_PASSWORD")
	if password == "" {
		user, password, _ = strings.Cut(user, ":")
	}
	return user, password
}

func (c scanConfig) validate() (failOn auditv1.Severity, err error) {
	failOn, severityErr := report.ParseSeverity(c.FailOn)
	var errs []error
	if severityErr != nil {
		errs = append(errs, fmt.Errorf("fail-on: %w", severityErr))
	}
	if len(c.Endpoints) == 0 {
		errs = append(errs, errors.New("endpoints: none given: use --endpoints, ETCDAUDIT_ENDPOINTS or ETCDCTL_ENDPOINTS"))
	}
	if c.Output != "table" && c.Output != "json" {
		errs = append(errs, fmt.Errorf("output: %q: want table or json", c.Output))
	}
	if prefix := strings.TrimRight(c.Prefix, "/"); !strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//") {
		errs = append(errs, fmt.Errorf("prefix: %q: want a path such as /registry", c.Prefix))
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %v: must be above zero", c.Timeout))
	}
	if err := errors.Join(errs...); err != nil {
		return 0, cli.Usage(err)
	}
	return failOn, nil
}

func (c scanConfig) live(getenv func(string) string) live.Config {
	user, password := login(getenv)
	return live.Config{
		Endpoints: c.Endpoints, CAFile: c.CACert, CertFile: c.Cert, KeyFile: c.Key,
		Username: user, Password: password, RequestTimeout: c.Timeout,
	}
}
