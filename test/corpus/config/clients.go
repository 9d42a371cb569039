package config

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// clients are the programs that decide labels: curl, openssl and etcd's own client. An
// answer is kept, and asked for once.
type clients struct {
	pki string

	mu   sync.Mutex
	kept map[string]answer
}

// answer is what one connection came to.
type answer struct {
	let  bool   // the server did what was asked
	said string // what shows it
	err  error  // the client itself failed: nothing is known
}

func newClients(pki string) *clients { return &clients{pki: pki, kept: map[string]answer{}} }

// clientLimit only bounds a hang. A client that runs into it has decided nothing.
const clientLimit = 90 * time.Second

func (c *clients) once(key string, ask func() answer) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.kept[key]
	if !ok {
		if a = ask(); a.err == nil {
			c.kept[key] = a
		}
	}
	return a
}

// curl gets a URL. Any status of HTTP shows that it was let in. It speaks HTTP/1.1: a peer
// port answers nothing else.
func (c *clients) curl(ctx context.Context, url, identity string) answer {
	return c.once("curl "+url+" "+identity, func() answer { return c.get(ctx, url, identity) })
}

// get is curl that asks each time.
func (c *clients) get(ctx context.Context, url, identity string, options ...string) answer {
	args := []string{"--silent", "--http1.1", "--insecure", "--noproxy", "*", "--output", "/dev/null", "--max-time", "80", "--write-out", "%{http_code}"}
	args = append(append(args, forCurl(url)...), options...)
	if identity != "" {
		args = append(args, "--cert", c.file(identity+".crt"), "--key", c.file(identity+".key"))
	}
	out, code, err := run(ctx, "", "curl", args...)
	switch {
	case err != nil:
		return answer{err: err}
	case code == 28:
		return answer{err: fmt.Errorf("curl %s: no answer in 80 s", url)}
	case code != 0:
		return answer{said: fmt.Sprintf("curl ends with %d", code)}
	}
	return answer{let: true, said: "curl gets HTTP " + out}
}

// forCurl are the arguments that make curl get a URL, if it is one of a socket too.
func forCurl(url string) []string {
	scheme, rest, _ := strings.Cut(url, "://")
	before, page, ok := strings.Cut(rest, ".sock")
	if !strings.HasPrefix(scheme, "unix") || !ok {
		return []string{url}
	}
	return []string{"--unix-socket", before + ".sock", strings.Replace(scheme, "unix", "http", 1) + "://localhost" + page}
}

// asAnother gets a URL as a user that is neither root nor etcd's.
func (c *clients) asAnother(ctx context.Context, url string, options ...string) answer {
	return c.once("nobody "+url, func() answer {
		ctx, cancel := context.WithTimeout(ctx, clientLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, "curl", append(append([]string{"--silent", "--output", "/dev/null"}, forCurl(url)...), options...)...) //nolint:gosec // of the case
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		err := cmd.Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
			return answer{said: fmt.Sprintf("curl of uid %d ends with %d", nobody, exit.ExitCode())}
		}
		return answer{let: err == nil, said: fmt.Sprintf("curl of uid %d is answered", nobody), err: err}
	})
}

// nobody is a user who owns nothing here.
const nobody = 65534

// found reports whether curl gets 200.
func (a answer) found() bool { return a.let && strings.HasSuffix(a.said, "HTTP 200") }

// openssl makes one handshake with s_client. let is whether it was completed; said is all
// that it printed.
func (c *clients) openssl(ctx context.Context, address string, options ...string) answer {
	return c.once("openssl "+address+strings.Join(options, " "), func() answer {
		to := "-connect"
		if network(address) == "unix" {
			to = "-unix"
		}
		args := append([]string{"s_client", to, address, "-servername", "localhost"}, options...)
		out, _, err := run(ctx, "", "openssl", args...)
		return answer{let: err == nil && strings.Contains(out, "-----BEGIN CERTIFICATE-----") && !strings.Contains(out, "Cipher is (NONE)"), said: out, err: err}
	})
}

// rangeAs reads one key with etcd's own client.
func (c *clients) rangeAs(ctx context.Context, url, identity, key string, options ...clientv3.OpOption) answer {
	return c.once(fmt.Sprintf("range %s %s %q", url, identity, key), func() answer {
		config := clientv3.Config{
			Endpoints: []string{url}, Logger: zap.NewNop(), MaxUnaryRetries: 1,
			DialOptions: []grpc.DialOption{
				grpc.WithChainUnaryInterceptor(failAtOnce),
				// A handshake that takes longer on a busy machine is no refusal.
				grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: clientLimit}),
			},
		}
		if strings.HasPrefix(url, "https:") || strings.HasPrefix(url, "unixs:") {
			config.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // it is the server that is tested
			if err := c.present(config.TLS, identity); err != nil {
				return answer{err: err}
			}
		}
		client, err := clientv3.New(config)
		if err != nil {
			return answer{err: err}
		}
		defer func() { _ = client.Close() }()
		ctx, cancel := context.WithTimeout(ctx, clientLimit)
		defer cancel()
		_, err = client.Get(ctx, key, append(options, clientv3.WithSerializable(), clientv3.WithLimit(1))...)
		switch code := status.Code(err); {
		case err == nil:
			return answer{let: true, said: "clientv3 is answered"}
		case undecided(err):
			return answer{err: fmt.Errorf("clientv3 at %s: %w", url, err)}
		case code == codes.Unavailable:
			return answer{said: "clientv3: " + err.Error()}
		}
		return answer{let: true, said: "clientv3: " + err.Error()}
	})
}

// undecided reports whether a connection failed because something was slow, or an etcd that
// was reached could not serve just then. The text of gRPC keeps no more of a timeout than its
// words.
func undecided(err error) bool {
	code, said := status.Code(err), err.Error()
	return code == codes.DeadlineExceeded || code == codes.Unavailable && strings.Contains(said, "etcdserver: ") ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		strings.Contains(said, context.DeadlineExceeded.Error()) || strings.Contains(said, os.ErrDeadlineExceeded.Error())
}

// failAtOnce returns the first refusal. etcd's client goes on trying for as long as its
// context lasts.
func failAtOnce(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}

// group reports whether Go's TLS client, the only one here that knows it, can agree on
// a group of the key exchange.
func (c *clients) group(ctx context.Context, address string, id tls.CurveID) answer {
	return c.dial(ctx, address, "", id.String(), &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{id}})
}

// suites reports whether Go's TLS client can agree on one of these suites of TLS 1.2.
func (c *clients) suites(ctx context.Context, address, identity string, ids []uint16) answer {
	return c.dial(ctx, address, identity, fmt.Sprintf("one of %d suites like %s", len(ids), tls.CipherSuiteName(ids[0])), &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: ids}) //nolint:gosec // it is the server that is tested
}

// goSuites are the suites that Go knows and whose names contain one of these.
func goSuites(parts ...string) (ids []uint16) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s.Name, p) }) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (c *clients) dial(ctx context.Context, address, identity, what string, config *tls.Config) answer {
	return c.once("dial "+address+identity+what, func() answer {
		config.InsecureSkipVerify = true
		if err := c.present(config, identity); err != nil {
			return answer{err: err}
		}
		ctx, cancel := context.WithTimeout(ctx, clientLimit)
		defer cancel()
		d := tls.Dialer{Config: config}
		conn, err := d.DialContext(ctx, network(address), address)
		switch {
		case err != nil && undecided(err):
			return answer{err: fmt.Errorf("handshake with %s: %w", address, err)}
		case err != nil:
			return answer{said: err.Error()}
		}
		return answer{let: true, said: "Go completes a handshake with " + what, err: conn.Close()}
	})
}

// present makes a configuration send a certificate. Go sends none whose issuer the server
// does not name, unless it is told so.
func (c *clients) present(config *tls.Config, identity string) error {
	if identity == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.file(identity+".crt"), c.file(identity+".key"))
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return err
}

func (c *clients) file(name string) string { return filepath.Join(c.pki, name) }

// run runs a program and returns what it printed and its exit status.
func run(ctx context.Context, stdin, name string, args ...string) (out string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // curl and openssl
	cmd.Stdin = strings.NewReader(stdin)
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return buf.String(), exit.ExitCode(), nil
	}
	return buf.String(), 0, err
}
