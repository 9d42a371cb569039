package cluster

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Etcd is one etcd cluster whose clients and peers must show a certificate of
// its own authority.
type Etcd struct {
	authority *Authority
	members   []*EtcdMember
	files     CertFiles
	client    *clientv3.Client
}

// EtcdMember is one member. Restart brings it back with its data and waits
// until it serves, for which the cluster needs a quorum.
type EtcdMember struct {
	*Process
	// Endpoint and PeerURL are where clients and other members reach it.
	Endpoint, PeerURL string
	// DataDir holds member/snap/db and member/wal.
	DataDir string
	own     int // how many flags it was made with
}

// SetFlags has the next start use further flags; those of an earlier call are dropped. A flag
// that stands twice has its last value.
func (m *EtcdMember) SetFlags(flags ...string) { m.args = append(m.args[:m.own:m.own], flags...) }

// StartEtcd starts a new etcd cluster of the given size, normally 1 or 3, and
// waits until every member serves. args are added to each member's flags.
func (c *Cluster) StartEtcd(ctx context.Context, members int, args ...string) (*Etcd, error) {
	return retryStart(func() (*Etcd, error) { return c.startEtcd(ctx, members, args) })
}

func (c *Cluster) startEtcd(ctx context.Context, size int, args []string) (*Etcd, error) {
	name := c.claimName("etcd")
	dir, err := c.subdir(name)
	if err != nil {
		return nil, err
	}
	authority, err := NewAuthority(filepath.Join(dir, "pki"), name+"-ca")
	if err != nil {
		return nil, err
	}
	e := &Etcd{authority: authority}
	if e.files, err = authority.Client("client"); err != nil {
		return nil, err
	}
	tlsConfig, err := e.files.TLS()
	if err != nil {
		return nil, err
	}
	if err := c.describeMembers(e, name, dir, size, args, tlsConfig); err != nil {
		return nil, err
	}
	var started []*Process
	for _, m := range e.members {
		if err := c.start(m.Process); err != nil {
			return nil, errors.Join(err, discard(started...))
		}
		started = append(started, m.Process)
	}
	if err := e.WaitReady(ctx); err != nil {
		return nil, errors.Join(err, discard(started...))
	}
	e.client, err = clientv3.New(clientv3.Config{
		Endpoints: e.Endpoints(),
		TLS:       tlsConfig,
		Logger:    zap.NewNop(), // it would write to the caller's terminal
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a client of %s: %w", name, err), discard(started...))
	}
	c.onClose(e.client.Close)
	return e, nil
}

// describeMembers fills in e.members. Each member's flags name all of them.
func (c *Cluster) describeMembers(e *Etcd, name, dir string, size int, args []string, tlsConfig *tls.Config) error {
	var initial []string
	for i := range size {
		client, err := c.nextPort()
		if err != nil {
			return err
		}
		peer, err := c.nextPort()
		if err != nil {
			return err
		}
		m := &EtcdMember{
			Endpoint: "https://" + client,
			PeerURL:  "https://" + peer,
			DataDir:  filepath.Join(dir, fmt.Sprint(i)),
		}
		e.members = append(e.members, m)
		initial = append(initial, fmt.Sprintf("%s-%d=%s", name, i, m.PeerURL))
	}
	for i, m := range e.members {
		memberName := fmt.Sprintf("%s-%d", name, i)
		server, err := e.authority.Server(memberName)
		if err != nil {
			return err
		}
		m.Process = c.newProcess(memberName, dir, c.opts.Etcd, append([]string{
			"--name", memberName,
			"--data-dir", m.DataDir,
			"--listen-client-urls", m.Endpoint,
			"--advertise-client-urls", m.Endpoint,
			"--listen-peer-urls", m.PeerURL,
			"--initial-advertise-peer-urls", m.PeerURL,
			"--initial-cluster", strings.Join(initial, ","),
			"--initial-cluster-state", "new",
			"--initial-cluster-token", name,
			"--client-cert-auth",
			"--trusted-ca-file", server.CA, "--cert-file", server.Cert, "--key-file", server.Key,
			"--peer-client-cert-auth",
			"--peer-trusted-ca-file", server.CA, "--peer-cert-file", server.Cert, "--peer-key-file", server.Key,
			// Processes end here, never machines: what was written is in the kernel's
			// cache. Where others keep the disk busy, an etcd that waits for it fails
			// requests after 7 s.
			"--unsafe-no-fsync",
		}, args...)...)
		m.own = len(m.args)
		m.ready = func(ctx context.Context) error { return etcdHealth(ctx, m.Endpoint, tlsConfig) }
	}
	return nil
}

// etcdHealth asks a member whether it serves reads with a quorum.
func etcdHealth(ctx context.Context, endpoint string, tlsConfig *tls.Config) error {
	body, status, err := httpGet(ctx, tlsConfig, endpoint+"/health")
	if err != nil {
		return err
	}
	var health struct{ Health, Reason string }
	if err := json.Unmarshal(body, &health); err != nil || status != http.StatusOK || health.Health != "true" {
		return fmt.Errorf("GET /health: status %d: %.200s", status, body)
	}
	return nil
}

// httpGet makes one request on a connection of its own. The answer's body is
// cut at 64 MiB.
func httpGet(ctx context.Context, tlsConfig *tls.Config, url string) (body []byte, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	// A transport adds to its TLS configuration what it can speak: shared with
	// one for HTTP/2, this one would be answered in a protocol it does not know.
	transport := &http.Transport{TLSClientConfig: tlsConfig.Clone(), DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, 0, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return body, resp.StatusCode, nil
}

// Client is a client of all members, with a certificate. Close closes it.
func (e *Etcd) Client() *clientv3.Client { return e.client }

// Endpoints are the https URLs of all members, running or not.
func (e *Etcd) Endpoints() []string {
	var endpoints []string
	for _, m := range e.members {
		endpoints = append(endpoints, m.Endpoint)
	}
	return endpoints
}

// ClientFiles are the certificate of a client that etcd accepts.
func (e *Etcd) ClientFiles() CertFiles { return e.files }

// Authority signs etcd's certificates.
func (e *Etcd) Authority() *Authority { return e.authority }

// Members is the number of members.
func (e *Etcd) Members() int { return len(e.members) }

// Member is one member, counted from 0.
func (e *Etcd) Member(i int) *EtcdMember { return e.members[i] }

// WaitReady waits until every member serves.
func (e *Etcd) WaitReady(ctx context.Context) error {
	for _, m := range e.members {
		if err := m.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops every member.
func (e *Etcd) Stop(ctx context.Context) error {
	var errs []error
	for _, m := range e.members {
		errs = append(errs, m.Stop(ctx))
	}
	return errors.Join(errs...)
}

// Restart stops every member that runs, starts all of them with their data,
// and waits until every one serves.
func (e *Etcd) Restart(ctx context.Context) error {
	if err := e.Stop(ctx); err != nil {
		return err
	}
	for _, m := range e.members {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return e.WaitReady(ctx)
}
