package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/apimetrics"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/internal/atomicfile"
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
	// It may have had no event of its own yet.
	event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "corpus"}, InvolvedObject: corev1.ObjectReference{Namespace: metav1.NamespaceDefault}}
	creations := []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := l.Client().CoreV1().Secrets(metav1.NamespaceDefault).Create(ctx, secret, metav1.CreateOptions{})
			return err
		},
		func(ctx context.Context) error {
			_, err := l.Client().CoreV1().Events(metav1.NamespaceDefault).Create(ctx, event, metav1.CreateOptions{})
			return err
		},
	}
	for _, create := range creations {
		err := l.Until(ctx, "create an object", func(ctx context.Context) error {
			// One whose answer was lost is there.
			if err := create(ctx); !apierrors.IsAlreadyExists(err) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return l.Until(ctx, "have its Secret in etcd", func(ctx context.Context) error {
		got, err := l.etcd.Client().Get(ctx, l.prefix+"/secrets/default/corpus")
		if err == nil && len(got.Kvs) == 1 {
			l.stored = got.Kvs[0].Value
		}
		return err
	})
}

// replaceEncryption writes another EncryptionConfiguration and waits until the API server
// has tried to read it.
func (l *liveAPIServer) replaceEncryption(ctx context.Context, text string) error {
	// Not in place: it may look at the file at any moment, and an empty one is refused as well.
	err := atomicfile.Write(l.encryptionFile(), 0o600, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
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

func (l *liveAPIServer) metrics(ctx context.Context) (text []byte, err error) {
	err = l.Until(ctx, "show its metrics", func(ctx context.Context) error {
		status, body, err := l.Health(ctx, "/metrics")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("GET /metrics: status %d", status)
		}
		text = []byte(body)
		return err
	})
	return text, err
}
