package cluster

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// APIServerOptions say how a kube-apiserver is started.
type APIServerOptions struct {
	// Name tells it from others; "a" by default.
	Name string
	// Etcd is where it keeps its objects; required. Several may share one.
	Etcd *Etcd
	// Encryption is the text of its EncryptionConfiguration; what
	// EncryptSecrets() returns by default, under which nothing is encrypted.
	Encryption string
	// Audit turns on an audit log without bodies: see AuditLog.
	Audit bool
	// Authorization are the flags about authorization, --authorization-mode=RBAC if it is nil.
	// Modes add up: further flags cannot take that one back.
	Authorization []string
	// Args are further flags, such as --feature-gates.
	Args []string
}

// APIServer is one kube-apiserver with RBAC and client certificates. It reloads
// its EncryptionConfiguration when the file changes. Restart waits until it is
// ready.
type APIServer struct {
	*Process
	// URL is its https address.
	URL string
	// AuditLog is the file of its audit log, if it has one.
	AuditLog string

	etcd           *Etcd
	encryptionFile string
	kubeconfig     string
	tls            *tls.Config
	client         kubernetes.Interface
}

// kubernetesIdentity is what all API servers of a cluster share: tokens and
// certificates that one of them accepts are good for the others.
type kubernetesIdentity struct {
	dir               string
	authority         *Authority
	admin             CertFiles
	serviceAccountKey string
}

func (c *Cluster) newKubernetesIdentity() (*kubernetesIdentity, error) {
	dir, err := c.subdir("kubernetes")
	if err != nil {
		return nil, err
	}
	authority, err := NewAuthority(filepath.Join(dir, "pki"), "kubernetes-ca")
	if err != nil {
		return nil, err
	}
	admin, err := authority.Client("admin", "system:masters")
	if err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "service-account.key")
	if _, err := writeKey(key); err != nil {
		return nil, err
	}
	return &kubernetesIdentity{dir: dir, authority: authority, admin: admin, serviceAccountKey: key}, nil
}

// KubernetesAuthority signs the API servers' certificates and their clients'.
func (c *Cluster) KubernetesAuthority() (*Authority, error) {
	id, err := c.kubernetes()
	if err != nil {
		return nil, err
	}
	return id.authority, nil
}

// StartAPIServer starts a kube-apiserver and waits until it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context, opts APIServerOptions) (*APIServer, error) {
	if opts.Etcd == nil {
		return nil, errors.New("start a kube-apiserver: no etcd given")
	}
	return retryStart(func() (*APIServer, error) { return c.startAPIServer(ctx, opts) })
}

func (c *Cluster) startAPIServer(ctx context.Context, opts APIServerOptions) (*APIServer, error) {
	id, err := c.kubernetes()
	if err != nil {
		return nil, err
	}
	if opts.Name == "" {
		opts.Name = "a"
	}
	name := c.claimName("kube-apiserver-" + opts.Name)
	dir, err := c.subdir(name)
	if err != nil {
		return nil, err
	}
	address, err := c.nextPort()
	if err != nil {
		return nil, err
	}
	a := &APIServer{URL: "https://" + address, etcd: opts.Etcd, encryptionFile: filepath.Join(dir, "encryption.yaml")}
	if opts.Encryption == "" {
		if opts.Encryption, err = EncryptSecrets(); err != nil {
			return nil, err
		}
	}
	if err := writeFile(a.encryptionFile, []byte(opts.Encryption)); err != nil {
		return nil, err
	}
	if err := a.makeClient(c, id, dir); err != nil {
		return nil, err
	}
	server, err := id.authority.Server(name)
	if err != nil {
		return nil, err
	}
	args, err := a.flags(opts, id, server, dir, address)
	if err != nil {
		return nil, err
	}
	a.Process = c.newProcess(name, dir, c.opts.APIServer, args...)
	a.ready = a.isReady
	if err := c.start(a.Process); err != nil {
		return nil, err
	}
	if err := a.WaitReady(ctx); err != nil {
		return nil, errors.Join(err, discard(a.Process))
	}
	return a, nil
}

func (a *APIServer) flags(opts APIServerOptions, id *kubernetesIdentity, server CertFiles, dir, address string) ([]string, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("port of %s: %w", a.URL, err)
	}
	etcd := opts.Etcd.ClientFiles()
	args := []string{
		"--etcd-servers=" + strings.Join(opts.Etcd.Endpoints(), ","),
		"--etcd-cafile=" + etcd.CA, "--etcd-certfile=" + etcd.Cert, "--etcd-keyfile=" + etcd.Key,
		"--bind-address=127.0.0.1", "--secure-port=" + port,
		"--tls-cert-file=" + server.Cert, "--tls-private-key-file=" + server.Key,
		"--client-ca-file=" + id.authority.CAFile(),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + id.serviceAccountKey,
		"--service-account-signing-key-file=" + id.serviceAccountKey,
		"--service-cluster-ip-range=10.0.0.0/24",
		// There is nothing that these addresses could be given to.
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		// No controller creates the service accounts that it would ask for.
		"--disable-admission-plugins=ServiceAccount",
		"--encryption-provider-config=" + a.encryptionFile,
		"--encryption-provider-config-automatic-reload",
	}
	if opts.Audit {
		policy := filepath.Join(dir, "audit-policy.yaml")
		const text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"
		if err := writeFile(policy, []byte(text)); err != nil {
			return nil, err
		}
		a.AuditLog = filepath.Join(dir, "audit.log")
		args = append(args, "--audit-policy-file="+policy, "--audit-log-path="+a.AuditLog)
	}
	if opts.Authorization == nil {
		args = append(args, "--authorization-mode=RBAC")
	}
	return slices.Concat(args, opts.Authorization, opts.Args), nil
}

// makeClient writes the administrator's kubeconfig and makes a client of it.
func (a *APIServer) makeClient(c *Cluster, id *kubernetesIdentity, dir string) error {
	var err error
	if a.tls, err = id.admin.TLS(); err != nil {
		return err
	}
	const name = "sealproof"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: a.URL, CertificateAuthority: id.admin.CA}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificate: id.admin.Cert, ClientKey: id.admin.Key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	a.kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*config, a.kubeconfig); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", a.URL, err)
	}
	// A transport of its own: client-go's keeps goroutines and connections for
	// as long as the program runs.
	transport := &http.Transport{TLSClientConfig: a.tls.Clone(), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: parallel}
	c.onClose(func() error { transport.CloseIdleConnections(); return nil })
	a.client, err = kubernetes.NewForConfigAndClient(&rest.Config{
		Host: a.URL,
		QPS:  -1, // the client's own rate limit would be what a test measures
	}, &http.Client{Transport: transport})
	if err != nil {
		return fmt.Errorf("make a client of %s: %w", a.URL, err)
	}
	return nil
}

// isReady asks /readyz, and for the namespace "default": it is created by a
// controller that readiness does not wait for, and without it writes fail.
func (a *APIServer) isReady(ctx context.Context) error {
	body, status, err := a.get(ctx, "/readyz?verbose")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var failed []string
		for line := range strings.Lines(string(body)) {
			if strings.HasPrefix(line, "[-]") {
				failed = append(failed, strings.TrimSpace(line))
			}
		}
		return fmt.Errorf("GET /readyz: status %d %s", status, strings.Join(failed, ", "))
	}
	_, err = a.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})
	return err
}

// get makes one request as the administrator, on a connection of its own.
func (a *APIServer) get(ctx context.Context, path string) (body []byte, status int, err error) {
	return httpGet(ctx, a.tls, a.URL+path)
}

// Client acts as a member of system:masters, without a rate limit of its own.
func (a *APIServer) Client() kubernetes.Interface { return a.client }

// Kubeconfig is the path of a kubeconfig for the same user.
func (a *APIServer) Kubeconfig() string { return a.kubeconfig }

// Etcd is where it keeps its objects.
func (a *APIServer) Etcd() *Etcd { return a.etcd }

// EncryptionFile is the path of its EncryptionConfiguration.
func (a *APIServer) EncryptionFile() string { return a.encryptionFile }

// Metrics reads /metrics.
func (a *APIServer) Metrics(ctx context.Context) (Metrics, error) {
	body, status, err := a.get(ctx, "/metrics")
	if err != nil {
		return nil, fmt.Errorf("read the metrics of %s: %w", a.name, err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("read the metrics of %s: status %d", a.name, status)
	}
	return parseMetrics(body)
}

// Health returns the status and the body of a health endpoint, such as
// "/readyz?verbose" or "/healthz/kms-providers".
func (a *APIServer) Health(ctx context.Context, path string) (status int, body string, err error) {
	data, status, err := a.get(ctx, path)
	return status, string(data), err
}

// SetEncryptionConfig replaces the EncryptionConfiguration and waits until the
// running server has loaded it. The server looks at the file once a minute.
func (a *APIServer) SetEncryptionConfig(ctx context.Context, text string) error {
	if err := writeFile(a.encryptionFile, []byte(text)); err != nil {
		return err
	}
	const prefix = "apiserver_encryption_config_controller_"
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))
	return a.wait(ctx, "load the new EncryptionConfiguration", func(ctx context.Context) error {
		m, err := a.Metrics(ctx)
		if err != nil {
			return err
		}
		if _, loaded := m.Sum(prefix+"last_config_info", "hash="+hash); loaded {
			return nil
		}
		failures, _ := m.Sum(prefix+"automatic_reloads_total", "status=failure")
		return fmt.Errorf("not loaded; reloads that failed since the start: %g", failures)
	})
}

// WaitKeyID waits until this server writes Secrets under the given key_id. The
// server asks its plugin once a minute, and when its health is asked for
// while the last answer is older than 20 seconds, as kubelets and load
// balancers do all the time and as this does. What decides is a Secret that is
// written for this purpose, looked at in etcd, and deleted again.
func (a *APIServer) WaitKeyID(ctx context.Context, keyID string) error {
	return a.wait(ctx, "write with key_id "+keyID, func(ctx context.Context) error {
		if _, _, err := a.Health(ctx, "/healthz/kms-providers"); err != nil {
			return err
		}
		m, err := a.Metrics(ctx)
		if err != nil {
			return err
		}
		const seen = "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds"
		if got := m.Latest(seen, "key_id_hash"); got != KeyIDHash(keyID) {
			return fmt.Errorf("its plugin last showed it the key_id with hash %q", got)
		}
		written, err := a.probeKeyID(ctx)
		if err != nil {
			return err
		}
		if written != keyID {
			return fmt.Errorf("it wrote with key_id %q", written)
		}
		return nil
	})
}
