package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
)

// liveEtcd is the etcd of one case: a real process, or one that refused to start.
type liveEtcd struct {
	Case
	*clients
	// vars are what the words of the case were replaced with.
	vars map[string]string
	args []string
	env  []string
	// program is the file of the release.
	program string
	// process is nil if it refused to start; refusal is then what it said.
	process *cluster.Process
	refusal string
	// open are those of the addresses that something listens at.
	open map[string]bool
	// answered is how often it has answered since it was started.
	answered int
	front    net.Listener     // nil for none
	proxy    *cluster.Process // nil for none
}

// stop ends the processes of the case.
func (l *liveEtcd) stop() error {
	var errs []error
	if l.front != nil {
		errs = append(errs, l.front.Close())
	}
	for _, p := range []*cluster.Process{l.proxy, l.process} {
		if p != nil {
			errs = append(errs, p.Kill())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(l.vars["open"]))...)
}

// addresses are the words that stand for a free address on loopback.
var addresses = []string{"client", "client2", "behind", "peer", "metrics", "http"}

// groups are the words that stand for several flags, or for lines of a file.
var groups = map[string]string{
	"base":       "--name=etcd-a --data-dir=$data --unsafe-no-fsync",
	"peers":      "--listen-peer-urls=https://$peer --initial-advertise-peer-urls=https://$peer --initial-cluster=etcd-a=https://$peer --peer-cert-file=$pki/peer.crt --peer-key-file=$pki/peer.key --peer-trusted-ca-file=$pki/peer-ca.crt --peer-client-cert-auth=true",
	"plainpeers": "--listen-peer-urls=http://$peer --initial-advertise-peer-urls=http://$peer --initial-cluster=etcd-a=http://$peer",
	"https":      "--listen-client-urls=https://$client --advertise-client-urls=https://$client",
	"cert":       "--cert-file=$pki/server.crt --key-file=$pki/server.key",
	"ca":         "--trusted-ca-file=$pki/ca.crt",
	"mtls":       "--cert-file=$pki/server.crt --key-file=$pki/server.key --trusted-ca-file=$pki/ca.crt --client-cert-auth=true",

	"filebase": `name: etcd-a
data-dir: $data
unsafe-no-fsync: true
`,
	"filepeers": `listen-peer-urls: https://$peer
initial-advertise-peer-urls: https://$peer
initial-cluster: etcd-a=https://$peer
peer-transport-security: {cert-file: $pki/peer.crt, key-file: $pki/peer.key, trusted-ca-file: $pki/peer-ca.crt, client-cert-auth: true}
`,
	"filehttps": `listen-client-urls: https://$client
advertise-client-urls: https://$client
`,
	"filemtls": `client-transport-security: {cert-file: $pki/server.crt, key-file: $pki/server.key, trusted-ca-file: $pki/ca.crt, client-cert-auth: true}
`,
}

var releases = map[string]components.Name{"": components.Etcd, "3.7": components.Etcd, "3.6": components.Etcd36, "3.5": components.Etcd35}

// startEtcd starts the etcd of a case and does what follows while it runs.
func startEtcd(ctx context.Context, c *cluster.Cluster, pki string, cs Case) (*liveEtcd, error) {
	for attempt := 0; ; attempt++ {
		l, err := tryEtcd(ctx, c, pki, cs)
		if exit, ok := errors.AsType[*cluster.ExitError](err); ok && exit.PortTaken() && attempt < 5 {
			continue
		}
		return l, err
	}
}

func tryEtcd(ctx context.Context, c *cluster.Cluster, pki string, cs Case) (*liveEtcd, error) {
	l := &liveEtcd{Case: cs, open: map[string]bool{}}
	dir, err := os.MkdirTemp(c.Dir(), "case-")
	if err != nil {
		return nil, err
	}
	// A case may replace its certificates while etcd runs.
	own := filepath.Join(dir, "pki")
	if err := os.CopyFS(own, os.DirFS(pki)); err != nil {
		return nil, err
	}
	l.clients = newClients(own)
	l.vars = map[string]string{"dir": dir, "pki": own, "data": filepath.Join(dir, "data"), "file": filepath.Join(dir, "etcd.conf.yaml")}
	for _, name := range addresses {
		if l.vars[name], err = c.Address(); err != nil {
			return nil, err
		}
	}
	l.vars["socket"] = filepath.Join(dir, "etcd.sock")
	if strings.Contains(cs.Etcd.Args, "$open/") {
		if l.vars["open"], err = openDir(); err != nil {
			return nil, err
		}
		l.vars["socket"] = filepath.Join(l.vars["open"], "etcd.sock")
	}
	_, l.vars["metricsport"], err = net.SplitHostPort(l.vars["metrics"])
	if err != nil {
		return nil, err
	}
	if err := l.render(); err != nil {
		return nil, err
	}
	l.program = c.Program(releases[cs.Etcd.Release])
	l.process, err = c.StartProgram(ctx, cluster.ProgramOptions{
		Name: "etcd-" + cs.Name, Program: releases[cs.Etcd.Release], Args: l.args, Env: l.env, Ready: l.ready,
	})
	if exit, ok := errors.AsType[*cluster.ExitError](err); ok && !exit.PortTaken() {
		l.refusal = refusal(exit.Tail)
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	if err := l.startFront(ctx, c); err != nil {
		return nil, errors.Join(err, l.stop())
	}
	if err := l.then(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", cs.Etcd.Then, err), l.stop())
	}
	for _, name := range append([]string{"socket"}, addresses...) {
		if conn, err := net.Dial(network(l.vars[name]), l.vars[name]); err == nil {
			l.open[name] = true
			_ = conn.Close()
		}
	}
	return l, nil
}

// openDir makes a directory that every user can reach and enter.
func openDir() (string, error) {
	dir, err := os.MkdirTemp("/tmp", "sealproof-open-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) //nolint:gosec // it is meant to be open
}

// render replaces the words of the case. An unknown one is a mistake in the case.
func (l *liveEtcd) render() error {
	unknown := ""
	var expand func(string) string
	expand = func(s string) string {
		return os.Expand(s, func(name string) string {
			if group, ok := groups[name]; ok {
				return expand(group)
			}
			value, ok := l.vars[name]
			if !ok {
				unknown = name
			}
			return value
		})
	}
	l.args = words(expand(l.Etcd.Args))
	for _, name := range slices.Sorted(maps.Keys(l.Etcd.Env)) {
		l.env = append(l.env, name+"="+expand(l.Etcd.Env[name]))
	}
	l.Etcd = new(*l.Etcd)
	l.Etcd.File, l.Etcd.GRPCProxy = expand(l.Etcd.File), expand(l.Etcd.GRPCProxy)
	if unknown != "" {
		return fmt.Errorf("%s: $%s stands for nothing", l.Name, unknown)
	}
	if l.Etcd.File == "" {
		return nil
	}
	return os.WriteFile(l.vars["file"], []byte(l.Etcd.File), 0o600)
}

// answers is how often an etcd must answer before it counts as started: some refusals come
// after it has begun to serve.
const answers = 5

// serving is what each release of etcd logs when it has opened its listeners, that for metrics
// last, and when it begins to serve peers and clients.
var serving = []string{"now serving peer/client/metrics", "serving peer traffic", "serving client traffic"}

// ready waits until etcd has said that it serves, and answers at each address for clients that
// is open: one that cannot serve at one of them ends.
func (l *liveEtcd) ready(ctx context.Context, p *cluster.Process) error {
	log, err := p.Log()
	if err != nil {
		return err
	}
	for _, said := range serving {
		if !strings.Contains(log, said) {
			return fmt.Errorf("it has not logged %q yet", said)
		}
	}
	for _, name := range []string{"client", "client2", "behind", "http", "socket"} {
		switch open, answers := answered(ctx, l.vars[name]); {
		case answers:
			l.answered++
		case open:
			return fmt.Errorf("it does not answer at $%s yet", name)
		}
	}
	if l.answered < answers {
		return errors.New("it does not answer yet")
	}
	return nil
}

// answered reports whether an address is open, and whether a server answers plaintext there at
// all, and if by a refusal. One that ends resets the connection.
func answered(ctx context.Context, address string) (open, answers bool) {
	conn, err := new(net.Dialer).DialContext(ctx, network(address), address)
	if err != nil {
		return false, false
	}
	defer func() { _ = conn.Close() }()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	if _, err := io.WriteString(conn, "GET /version HTTP/1.0\r\n\r\n"); err != nil {
		return true, false
	}
	_, err = conn.Read(make([]byte, 1))
	return true, err == nil || errors.Is(err, io.EOF)
}

var fatal = regexp.MustCompile(`"level":"fatal".*?"error":"((?:[^"\\]|\\.)*)"`)

// refusal is what etcd gave as its reason for not starting.
func refusal(log string) string {
	if m := fatal.FindStringSubmatch(log); m != nil {
		return m[1]
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

// clientAddresses are the open addresses for clients, but for a socket without TLS.
func (l *liveEtcd) clientAddresses() (all []string) {
	for _, name := range []string{"client", "client2", "socket"} {
		if l.open[name] && !(name == "socket" && l.plainSocket()) {
			all = append(all, l.vars[name])
		}
	}
	return all
}

// plainSocket reports whether etcd listens for clients at a unix socket without TLS.
func (l *liveEtcd) plainSocket() bool {
	return l.open["socket"] && strings.Contains(strings.Join(l.args, " "), "unix://"+l.vars["socket"])
}

// at returns an address as a URL. That of a socket is its path, with the schemes of etcd's
// client.
func at(scheme, address string) string {
	if network(address) == "unix" {
		return strings.Replace(scheme, "http", "unix", 1) + "://" + address
	}
	return (&url.URL{Scheme: scheme, Host: address}).String()
}

// network is what an address is dialed with.
func network(address string) string {
	if strings.HasPrefix(address, "/") {
		return "unix"
	}
	return "tcp"
}
