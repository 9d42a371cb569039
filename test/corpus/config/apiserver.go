package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/apimetrics"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/test/cluster"
)

// liveAPIServer is the kube-apiserver of one case, a real process.
type liveAPIServer struct {
	Case
	*clients
	*cluster.APIServer
	etcd   *cluster.Etcd
	vars   map[string]string
	prefix string // of its keys in etcd
	stored []byte // a Secret that was written, as it is in etcd
}

// secretValue is in the Secret that every API server of a case is made to write.
const secretValue = "corpus-secret-value"

// startAPIServer starts the API server of a case, and lets it write a Secret.
func (b *lab) startAPIServer(ctx context.Context, cs Case) (*liveAPIServer, error) {
	in := *cs.APIServer
	etcd, err := b.etcd()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.cluster.Dir(), "case-")
	if err != nil {
		return nil, err
	}
	l := &liveAPIServer{Case: cs, clients: newClients(b.pki), etcd: etcd, prefix: "/" + cs.Name, vars: map[string]string{"dir": dir, "pki": b.pki, "metrics": filepath.Join(dir, "metrics.txt")}}
	if in.Events {
		if l.vars["events"], err = b.plainEtcd(); err != nil {
			return nil, err
		}
	}
	var unknown string
	expand := func(s string) string {
		return os.Expand(s, func(name string) string {
			if l.vars[name] == "" {
				unknown = name
			}
			return l.vars[name]
		})
	}
	texts := map[string][]byte{}
	for name, text := range in.Files {
		texts[name] = []byte(expand(text))
	}
	if err := writeFiles(dir, texts); err != nil {
		return nil, err
	}
	args := append([]string{"--etcd-prefix=" + l.prefix}, words(expand(in.Args))...)
	var authorization []string
	if in.Authorization != "" {
		authorization = append([]string{}, words(expand(orNone(in.Authorization, "")))...)
	}
	if unknown != "" {
		return nil, fmt.Errorf("$%s stands for nothing", unknown)
	}
	if l.APIServer, err = b.cluster.StartAPIServer(ctx, cluster.APIServerOptions{Name: cs.Name, Etcd: etcd, Encryption: in.Encryption, Authorization: authorization, Args: args}); err != nil {
		return nil, err
	}
	if err := l.write(ctx); err != nil {
		return l, errors.Join(err, l.Kill())
	}
	if in.Then != "" {
		err = l.replaceEncryption(ctx, in.Then)
	}
	return l, err
}

// write writes a Secret and an Event, and reads how the Secret is in etcd.
func (l *liveAPIServer) write(ctx context.Context) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "corpus"}, StringData: map[string]string{"key": secretValue}}
	if _, err := l.Client().CoreV1().Secrets(metav1.NamespaceDefault).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return err
	}
	// It may have had no event of its own yet.
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "corpus"}, InvolvedObject: corev1.ObjectReference{Namespace: metav1.NamespaceDefault}}
	if _, err := l.Client().CoreV1().Events(metav1.NamespaceDefault).Create(ctx, event, metav1.CreateOptions{}); err != nil {
		return err
	}
	got, err := l.etcd.Client().Get(ctx, l.prefix+"/secrets/default/corpus")
	if err == nil && len(got.Kvs) == 1 {
		l.stored = got.Kvs[0].Value
	}
	return err
}

// replaceEncryption writes another EncryptionConfiguration and waits until the API server
// has tried to read it.
func (l *liveAPIServer) replaceEncryption(ctx context.Context, text string) error {
	if err := os.WriteFile(l.encryptionFile(), []byte(text), 0o600); err != nil {
		return err
	}
	return l.Until(ctx, "try its new EncryptionConfiguration", func(ctx context.Context) error {
		m, err := l.APIServer.Metrics(ctx)
		if err != nil {
			return err
		}
		if tried, _ := m.Sum("apiserver_encryption_config_controller_automatic_reloads_total"); tried == 0 {
			return errors.New("it has not tried yet")
		}
		return nil
	})
}

// flag is the last value that a flag of the process has.
func (l *liveAPIServer) flag(name string) (value string) {
	for _, a := range l.Args() {
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			value = v
		}
	}
	return value
}

func (l *liveAPIServer) encryptionFile() string { return l.flag("encryption-provider-config") }

func (l *liveAPIServer) address() string { return strings.TrimPrefix(l.URL, "https://") }

// audit gathers what the auditor learns of the process.
func (l *liveAPIServer) audit(ctx context.Context) (f facts.Facts, err error) {
	opts := hostconfig.Options{Now: time.Now(), NoMetrics: "no metrics of the API server were given"}
	if !l.Case.APIServer.WithoutMetrics {
		text, err := l.metrics(ctx)
		if err != nil {
			return f, err
		}
		if opts.Metrics, err = apimetrics.Parse(text); err != nil {
			return f, err
		}
	}
	if f.Host, err = hostconfig.Read(ctx, opts); err != nil {
		return f, err
	}
	narrow(f.Host, l.PID(), filepath.Dir(l.EncryptionFile()))
	if len(f.Host.APIServers) != 1 {
		return f, fmt.Errorf("%d API servers are found for process %d", len(f.Host.APIServers), l.PID())
	}
	return f, nil
}

// scan takes of the etcds that the case names what shows that they are read: their addresses
// and cluster ids. What is in them is for no rule of this corpus.
func (l *liveAPIServer) scan(ctx context.Context) (stores []facts.Store, err error) {
	for _, name := range l.Case.APIServer.Scanned {
		config := live.Config{Endpoints: []string{at("http", l.vars["events"])}}
		if name == "etcd" {
			config = live.Config{Endpoints: []string{l.flag("etcd-servers")}, CAFile: l.flag("etcd-cafile"), CertFile: l.flag("etcd-certfile"), KeyFile: l.flag("etcd-keyfile")}
		}
		config.RequestTimeout = clientLimit
		store, err := live.Connect(ctx, config)
		if err != nil {
			return nil, err
		}
		snap, err := store.Pin(ctx, l.prefix)
		if err := errors.Join(err, store.Close()); err != nil {
			return nil, err
		}
		stores = append(stores, facts.Store{Scope: snap.Scope, Inventory: inventory.New(l.prefix, nil)})
	}
	return stores, nil
}

func (l *liveAPIServer) metrics(ctx context.Context) ([]byte, error) {
	status, body, err := l.Health(ctx, "/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET /metrics: status %d", status)
	}
	return []byte(body), err
}

func apiServerOracles() map[string]oracle[*liveAPIServer] {
	return map[string]oracle[*liveAPIServer]{
		"EA-421": everyEtcdByTLS,
		"EA-422": everyEtcdScanned,
		"EA-423": storesEncrypted,
		"EA-424": onDiskIsInForce,
		"EA-425": rightsOfUser,
		"EA-426": apiServerTLS,
		"EA-427": anonymousRequests,
		"EA-428": tokenOfFile,
		"EA-429": bodiesInAuditLog,
	}
}

// everyEtcdByTLS: does an etcd that speaks plaintext hold keys of this API server? The other
// one of the case answers in TLS only.
func everyEtcdByTLS(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	if l.vars["events"] == "" {
		return good, "the only etcd that runs refuses plaintext", nil
	}
	n, err := l.keysInEvents(ctx, "/")
	if n > 0 || err != nil {
		return bad, fmt.Sprintf("clientv3 reads %d of its keys in plaintext", n), err
	}
	return good, "the etcd that speaks plaintext holds none of its keys", nil
}

// keysInEvents counts the API server's keys in the other etcd.
func (l *liveAPIServer) keysInEvents(ctx context.Context, under string) (int64, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{at("http", l.vars["events"])}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }()
	got, err := client.Get(ctx, l.prefix+under, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return got.Count, nil
}

// everyEtcdScanned: is every etcd that holds keys of this API server among those that the
// auditor reads?
func everyEtcdScanned(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	if l.vars["events"] == "" {
		return absent, "there is one etcd", nil
	}
	all, err := l.keysInEvents(ctx, "/")
	if err != nil {
		return 0, "", err
	}
	secrets, err := l.keysInEvents(ctx, "/secrets/")
	said := fmt.Sprintf("clientv3 counts %d keys in the other etcd, %d of Secrets; the auditor reads %q", all, secrets, l.Case.APIServer.Scanned)
	switch {
	case err != nil:
		return 0, "", err
	case all == 0:
		return absent, said, nil
	case slices.Contains(l.Case.APIServer.Scanned, "events"):
		return good, said, nil
	case secrets == 0 && len(l.Case.APIServer.Scanned) == 0:
		return unclear, said, nil
	}
	return bad, said, nil
}

// storesEncrypted: is a Secret that it has written encrypted in etcd?
func storesEncrypted(_ context.Context, l *liveAPIServer) (opinion, string, error) {
	switch {
	case bytes.HasPrefix(l.stored, []byte("k8s:enc:")):
		return good, fmt.Sprintf("in etcd its Secret begins with %.20q", l.stored), nil
	case bytes.Contains(l.stored, []byte(secretValue)):
		return bad, "in etcd its Secret is plaintext", nil
	}
	return 0, "", errors.New("the Secret is not in etcd")
}

// onDiskIsInForce: is the hash that its metrics show that of the file?
func onDiskIsInForce(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	if l.encryptionFile() == "" {
		return absent, "it has no EncryptionConfiguration", nil
	}
	if l.Case.APIServer.WithoutMetrics {
		return unclear, "no metrics are given", nil
	}
	text, err := l.metrics(ctx)
	if err != nil {
		return 0, "", err
	}
	file, err := os.ReadFile(l.encryptionFile())
	if err != nil {
		return 0, "", err
	}
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256(file))
	if bytes.Contains(text, []byte(hash)) {
		return good, "its metrics show the file's " + hash[:19], nil
	}
	if !bytes.Contains(text, []byte("last_config_info")) {
		return unclear, "its metrics show no hash", nil
	}
	return bad, "its metrics show another hash than the file's " + hash[:19], nil
}

func apiServerTLS(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	for _, o := range [][]string{
		{"-tls1", "-cipher", everySuite}, {"-tls1_1", "-cipher", everySuite},
		{"-tls1_2", "-cipher", "aNULL:eNULL:kRSA:@SECLEVEL=0"},
	} {
		got := l.openssl(ctx, l.address(), o...)
		if got.err != nil {
			return 0, "", got.err
		}
		if got.let {
			return bad, "openssl completes a handshake with " + strings.Join(o, " "), nil
		}
	}
	if got := l.suites(ctx, l.address(), "", goSuites("RC4", "3DES")); got.let || got.err != nil {
		return bad, got.said, got.err
	}
	if got := l.openssl(ctx, l.address()); !got.let {
		return 0, "", fmt.Errorf("openssl completes no handshake: %s", got.said)
	}
	return good, "no client completes a weak handshake", nil
}

// anonymousRequests: is a request without credentials taken, and so refused by RBAC (403), or
// not even taken (401)?
func anonymousRequests(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	return taken(l.curl(ctx, l.URL+"/api/v1/namespaces", ""))
}

// rightsOfUser: may a user to whom nothing was granted list Secrets? The token of tokens.csv
// is one.
func rightsOfUser(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	got := l.curl(ctx, l.URL+"/api/v1/secrets", "", "--header", "Authorization: Bearer corpus-token")
	switch {
	case got.err != nil:
		return 0, "", got.err
	case strings.HasSuffix(got.said, " 403"):
		return good, got.said, nil
	case strings.HasSuffix(got.said, " 200"):
		return bad, got.said, nil
	}
	return 0, "", errors.New(got.said)
}

// tokenOfFile: is the token of tokens.csv taken?
func tokenOfFile(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	return taken(l.curl(ctx, l.URL+"/api/v1/namespaces", "", "--header", "Authorization: Bearer corpus-token"))
}

func taken(got answer) (opinion, string, error) {
	switch {
	case got.err != nil:
		return 0, "", got.err
	case strings.HasSuffix(got.said, " 401"):
		return good, got.said, nil
	case got.let:
		return bad, got.said, nil
	}
	return 0, "", errors.New(got.said)
}

// bodiesInAuditLog: is the Secret that was written in the audit log?
func bodiesInAuditLog(_ context.Context, l *liveAPIServer) (opinion, string, error) {
	path := l.flag("audit-log-path")
	if path == "" {
		return absent, "it has no audit log", nil
	}
	log, err := os.ReadFile(path) //nolint:gosec // of the case
	switch {
	case err != nil:
		return 0, "", err
	case bytes.Contains(log, []byte(base64.StdEncoding.EncodeToString([]byte(secretValue)))), bytes.Contains(log, []byte(secretValue)):
		return bad, "the Secret is in its audit log", nil
	case !bytes.Contains(log, []byte("/secrets")):
		return 0, "", errors.New("no request for Secrets is in the audit log")
	}
	return good, "the request is in its audit log, the Secret is not", nil
}
