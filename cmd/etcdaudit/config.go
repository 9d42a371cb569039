package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/vaultbackend"
)

// settings is the configuration of every command that makes a report: a configuration file
// and ETCDAUDIT_* variables serve all of them, and each command has the flags of what it
// does. Nothing secret is in it.
type settings struct {
	Connection connection   `mapstructure:",squash"`
	Scan       scanPart     `mapstructure:",squash"`
	Files      filesPart    `mapstructure:",squash"`
	Paths      pathsPart    `mapstructure:",squash"`
	Timeline   timelinePart `mapstructure:",squash"`
	Verify     verifyPart   `mapstructure:",squash"`
	TLS        tlsPart      `mapstructure:",squash"`
	Node       nodePart     `mapstructure:",squash"`
	API        apiPart      `mapstructure:",squash"`
	Host       hostPart     `mapstructure:",squash"`
	Metrics    metricsPart  `mapstructure:",squash"`
	Plugins    pluginPart   `mapstructure:",squash"`
	Output     outputPart   `mapstructure:",squash"`
	Collect    collectPart  `mapstructure:",squash"`
	KeyUsage   keyUsagePart `mapstructure:",squash"`
	Vault      vaultPart    `mapstructure:",squash"`
}

// connection says how to reach etcd.
type connection struct {
	Endpoints []string `mapstructure:"endpoints" help:"members of one etcd cluster, https://host:port or unix:///path, separated by commas (default: those that this node's API server uses)"`
	CACert    string   `mapstructure:"cacert" help:"file with the CA certificates that signed etcd's own (default: the API server's, or the system's)"`
	Cert      string   `mapstructure:"cert" help:"file with this client's certificate (default: the API server's)"`
	Key       string   `mapstructure:"key" help:"file with the key of that certificate"`
	Prefix    string   `mapstructure:"prefix" help:"prefix of the Kubernetes keys (OpenShift: /kubernetes.io, /openshift.io; default: the API server's, or /registry)"`
}

type scanPart struct {
	EncryptionProviderConfig string `mapstructure:"encryption-provider-config" help:"EncryptionConfiguration file of the API server to compare the store with; its keys are tried on the values"`
	CurrentKeyID             string `mapstructure:"current-key-id" help:"key_id that KMS v2 values should have (default: the newest in the store)"`
	Rate                     int    `mapstructure:"rate" help:"most MiB of keys and values to read from etcd a second (0 for no limit)"`
	Consistency              string `mapstructure:"consistency" help:"linearizable: at a revision that a quorum of members agrees to; serializable: at that of the member that answers, without a quorum"`
	// Timeout is of requests for values: tls has limits of its own.
	Timeout        time.Duration `mapstructure:"timeout" help:"how long one request to etcd may take, and as long again to find out why it failed"`
	CompareMembers string        `mapstructure:"compare-members" help:"hash: compare the members by hashes that they compute, and read each where that is not possible; read: read each; off"`
}

// filesPart says how etcd's own files are read.
type filesPart struct {
	Files   bool   `mapstructure:"files" help:"where neither --endpoints nor a path is given, read the files of this node's etcd as well: data directory, log and copies"`
	WorkDir string `mapstructure:"work-dir" help:"directory for what is decompressed, for a reflink or snapshot of a running member's database, and for a timeline beyond --memory; nothing has a name there, and all goes when the scan ends"`
	Memory  string `mapstructure:"memory" help:"how much the indexes of keys and of a timeline may take, beside what a scan always needs, and the names and intervals of a timeline"`
}

// pathsPart says more of the paths that are named.
type pathsPart struct {
	WALDir string `mapstructure:"wal-dir" help:"directory of the write-ahead log, where it is not in the data directory that is named (etcd's --wal-dir)"`
}

// timelinePart says how timelines are worked out.
type timelinePart struct {
	Timeline  bool          `mapstructure:"timeline" help:"work out for each Secret from when to when it was readable, and where it can still be read"`
	ClockSkew time.Duration `mapstructure:"clock-skew" help:"how wrong the clock of an API server, or of a machine that wrote files, may be: the bounds of a timeline have this in them"`
}

type tlsPart struct {
	PeerEndpoints    []string `mapstructure:"peer-endpoints" help:"peer addresses beside those that are found, https://host:2380"`
	MetricsEndpoints []string `mapstructure:"metrics-endpoints" help:"metrics addresses beside those that are found, http://host:2381"`
	ProbeCerts       []string `mapstructure:"probe-cert" help:"LABEL=cert,key of a client that etcd should accept (apiserver, client, control, healthcheck, member, peer, root) or refuse (any other label: kubelet, expired, revoked); repeatable"`
	Enumerate        bool     `mapstructure:"enumerate" help:"try every TLS version, cipher suite and group"`
	Passive          bool     `mapstructure:"passive" help:"send nothing that a normal client would not"`
	Plan             bool     `mapstructure:"plan" help:"say how many connections would be made and what etcd would log of them, and make none of these"`
}

type nodePart struct {
	Root string `mapstructure:"root" help:"where this node's file system is: another one than / is mounted or copied"`
}

type hostPart struct {
	FingerprintKey string        `mapstructure:"fingerprint-key" help:"file of 32 bytes or more, the same on every node, so that equal keys can be told by their HMACs in several reports (default: a key of this run)"`
	SnapshotDirs   []string      `mapstructure:"snapshot-dir" whole:"true" help:"folder with snapshots of etcd beside the usual ones; repeatable"`
	MaxSnapshotAge time.Duration `mapstructure:"max-snapshot-age" help:"how old the newest snapshot may be"`
}

type apiPart struct {
	Kubeconfig string `mapstructure:"kubeconfig" help:"kubeconfig to ask the API server with, for its /metrics (host, all) and for objects of RBAC that are encrypted in etcd (scan, all)"`
}

type collectPart struct {
	File string `mapstructure:"file" help:"file to write the archive to, - for stdout (default: etcdaudit-NODE-TIME.tar.gz in the current directory)"`
}

type outputPart struct {
	Output []string `mapstructure:"output" short:"o" whole:"true" help:"table, json, html, sarif, junit, csv or cyclonedx; FORMAT=FILE writes a file; repeatable, at most one of them without a file"`
	FailOn string   `mapstructure:"fail-on" help:"lowest severity of a finding that makes the exit status 1: info, low, medium, high or critical"`
	Strict bool     `mapstructure:"strict" help:"exit with 2 as well if an optional input was missing"`
	Accept string   `mapstructure:"accept" help:"file of accepted risks (etcdaudit accept writes its entries)"`
	// MinCoverage is a percentage.
	MinCoverage int `mapstructure:"min-coverage" help:"exit with 2 as well if less than this percentage of the targets was evaluated (0 for no limit)"`
}

// defaultPrefix is that of an API server (--etcd-prefix).
const defaultPrefix = "/registry"

func defaults() settings {
	return settings{
		Scan:     scanPart{Timeout: 30 * time.Second, Consistency: linearizable, CompareMembers: string(live.ByHash)},
		Timeline: timelinePart{ClockSkew: 10 * time.Second},
		Verify:   defaultVerify(),
		TLS:      tlsPart{Enumerate: true},
		Files:    filesPart{Files: true, Memory: "512MiB"},
		Node:     nodePart{Root: "/"},
		Host:     hostPart{MaxSnapshotAge: 24 * time.Hour},
		Vault:    vaultPart{Mount: vaultbackend.DefaultConfig().Mount},
		Output:   outputPart{Output: []string{string(report.FormatTable)}, FailOn: "medium"},
	}
}

// loadSettings completes the settings, none of which has a meaning when it is empty.
func loadSettings(flags *pflag.FlagSet, file string, into *settings) error {
	return cli.Load(flags, cli.Sources{File: file, Prefix: strings.ToUpper(name), Filled: true}, into)
}

// withEtcdctl fills in what an operator who uses etcdctl has in the environment
// already. It comes before anything of our own.
func (c connection) withEtcdctl(getenv func(string) string) connection {
	if v := getenv("ETCDCTL_ENDPOINTS"); v != "" {
		c.Endpoints = nil
		for endpoint := range strings.SplitSeq(v, ",") {
			c.Endpoints = append(c.Endpoints, strings.TrimSpace(endpoint))
		}
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

// validate returns the first mistake in the settings. formats are those of the report, and inputs
// is what will be read.
func (a *auditRun) validate(formats []report.Format, inputs []input) (failOn auditv1.Severity, err error) {
	s := a.settings
	failOn, severityErr := report.ParseSeverity(s.Output.FailOn)
	var errs []error
	wrong := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(severityErr != nil, "fail-on: %w", severityErr)
	if a.out, err = s.Output.outputs(formats, inputs); err != nil {
		errs = append(errs, err)
	}
	n := s.Output.MinCoverage
	wrong(n < 0 || n > 100, "min-coverage: %d: want a percentage, 0 to 100", n)
	c := s.Connection
	prefix := strings.TrimRight(c.Prefix, "/")
	wrong(c.Prefix != "" && (!strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//")), "prefix: %q: want a path such as /registry", c.Prefix)
	wrong(c.Cert != "" && c.Key == "", "cert: it is given without key, the file with its private key: give both or neither")
	wrong(c.Key != "" && c.Cert == "", "key: it is given without cert, the file with its certificate: give both or neither")
	wrong(s.TLS.Plan && !a.out.onlyTable(), "plan: it is text only: leave output out")
	for _, file := range []struct{ setting, path string }{
		{"cacert", c.CACert}, {"cert", c.Cert}, {"key", c.Key}, {"encryption-provider-config", s.Scan.EncryptionProviderConfig}, {"kubeconfig", s.API.Kubeconfig},
	} {
		if file.path != "" {
			err := usable(file.path)
			wrong(err != nil, "%s: %w", file.setting, err)
		}
	}
	errs = append(errs, s.Scan.check(), s.Verify.check(), s.Plugins.check())
	if s.Verify.Verify && s.Verify.Transit {
		_, err := s.Vault.config()
		errs = append(errs, err)
	}
	_, err = s.Files.memory()
	skew := s.Timeline.ClockSkew
	errs = append(errs, err)
	wrong(skew < 0 || skew > longestSkew, "clock-skew: %v: want 0 to %v", skew, longestSkew)
	wrong(s.Host.MaxSnapshotAge <= 0, "max-snapshot-age: %v: must be above zero", s.Host.MaxSnapshotAge)
	wrong(len(s.Metrics.APIServers) > 0 && s.API.Kubeconfig != "", "apiserver-metrics and kubeconfig: give one of them")
	if err := cmp.Or(errs...); err != nil {
		return 0, cli.Usage(err)
	}
	return failOn, nil
}

// usable returns an error for a file that would not end, or be waited for without end.
func usable(path string) error {
	const longest = 1 << 20
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	case info.Size() > longest:
		return fmt.Errorf("%s has %d bytes: more than %d are not read", path, info.Size(), longest)
	}
	return nil
}

// The ways of taking the revision.
const linearizable, serializable = "linearizable", "serializable"

func (s scanPart) check() error {
	switch {
	case s.Timeout <= 0:
		return fmt.Errorf("timeout: %v: must be above zero", s.Timeout)
	case s.Rate < 0:
		return fmt.Errorf("rate: %d: want MiB a second, or 0 for no limit", s.Rate)
	case s.Consistency != linearizable && s.Consistency != serializable:
		return fmt.Errorf("consistency: %q: want %s or %s", s.Consistency, linearizable, serializable)
	case !slices.Contains(live.Comparings(), live.Comparing(s.CompareMembers)):
		return fmt.Errorf("compare-members: %q: want hash, read or off", s.CompareMembers)
	}
	return nil
}

// live says how to read etcd.
func (s settings) live(getenv func(string) string) live.Config {
	c := s.Connection
	user, password := login(getenv)
	return live.Config{
		Endpoints: c.Endpoints, CAFile: c.CACert, CertFile: c.Cert, KeyFile: c.Key,
		Username: user, Password: password, RequestTimeout: s.Scan.Timeout,
		Rate: int64(s.Scan.Rate) << 20, Serializable: s.Scan.Consistency == serializable, Members: live.Comparing(s.Scan.CompareMembers),
	}
}

// probeCert is one --probe-cert.
type probeCert struct{ label, cert, key string }

// probeCerts reads LABEL=cert,key. A flag is split at its commas as other lists are, and a
// configuration file's entry is not: both are read.
func (t tlsPart) probeCerts() (all []probeCert, err error) {
	if len(t.ProbeCerts) == 0 {
		return nil, nil
	}
	parts := strings.Split(strings.Join(t.ProbeCerts, ","), ",")
	for len(parts) > 0 {
		label, cert, ok := strings.Cut(parts[0], "=")
		if !ok || label == "" || cert == "" || len(parts) < 2 || parts[1] == "" {
			return nil, cli.Usage(fmt.Errorf("probe-cert: %q: want LABEL=cert,key", strings.Join(parts[:min(2, len(parts))], ",")))
		}
		if label == tlsprobe.Own {
			return nil, cli.Usage(fmt.Errorf("probe-cert: the label %q is that of --cert: choose another one", label))
		}
		all = append(all, probeCert{label: label, cert: cert, key: parts[1]})
		parts = parts[2:]
	}
	return all, nil
}
