package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/cluster"
)

// lab is what cases share.
type lab struct {
	cluster *cluster.Cluster
	pki     string
	// etcd is that of the API servers; plainEtcd is another one that speaks plaintext, and
	// returns its address.
	etcd      func() (*cluster.Etcd, error)
	plainEtcd func() (string, error)
}

func newLab(ctx context.Context, c *cluster.Cluster) (*lab, error) {
	b := &lab{cluster: c, pki: filepath.Join(c.Dir(), "corpus-pki")}
	b.etcd = sync.OnceValues(func() (*cluster.Etcd, error) { return c.StartEtcd(ctx, 1) })
	b.plainEtcd = sync.OnceValues(func() (string, error) {
		l, err := startEtcd(ctx, c, b.pki, Case{Name: "events", Etcd: &EtcdInput{
			Args: "$base $plainpeers --listen-client-urls=http://$client --advertise-client-urls=http://$client",
		}})
		if err != nil {
			return "", err
		}
		return l.vars["client"], nil
	})
	if err := os.MkdirAll(b.pki, 0o700); err != nil {
		return nil, err
	}
	return b, writePKI(b.pki)
}

func (b *lab) judge(ctx context.Context, cs Case) (*Judged, error) {
	switch {
	case cs.Etcd != nil:
		return b.judgeEtcd(ctx, cs)
	case cs.APIServer != nil:
		return b.judgeAPIServer(ctx, cs)
	case cs.Encryption != "":
		return b.judgeEncryption(ctx, cs)
	}
	return b.judgeHost(ctx, cs)
}

func (b *lab) judgeEtcd(ctx context.Context, cs Case) (j *Judged, err error) {
	l, err := startEtcd(ctx, b.cluster, b.pki, cs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	j = &Judged{Case: cs, Groups: rules.Groups{Wire: true, Host: !cs.Etcd.inFront()}}
	if j.Oracles, err = decide(ctx, cs, etcdOracles(), l); err != nil {
		return nil, err
	}
	j.Flags = etcdFlags(l.args, l.env, l.Etcd.File)
	j.Facts, err = l.audit(ctx)
	return j, err
}

func (b *lab) judgeAPIServer(ctx context.Context, cs Case) (j *Judged, err error) {
	l, err := b.startAPIServer(ctx, cs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Kill()) }()
	j = &Judged{Case: cs, Groups: rules.Groups{Host: true}}
	if j.Oracles, err = decide(ctx, cs, apiServerOracles(), l); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(l.EncryptionFile()), "encryption.yaml"))
	if err != nil {
		return nil, err
	}
	j.Flags = apiServerFlags(l.Args(), string(text))
	if j.Facts, err = l.audit(ctx); err != nil {
		return nil, err
	}
	j.Facts.Stores, err = l.scan(ctx)
	return j, err
}

// judgeHost reads a recorded tree. Its labels are decided by documents.
func (b *lab) judgeHost(ctx context.Context, cs Case) (*Judged, error) {
	return b.judgeTree(ctx, cs, *cs.Host, map[string]oracle[string]{})
}

// judgeEncryption reads a tree with a manifest that names the EncryptionConfiguration.
func (b *lab) judgeEncryption(ctx context.Context, cs Case) (*Judged, error) {
	j, err := b.judgeTree(ctx, cs, HostInput{Files: map[string]string{
		"/etc/kubernetes/enc.yaml":                      cs.Encryption,
		"/etc/kubernetes/manifests/kube-apiserver.yaml": manifestWithEncryption,
	}}, map[string]oracle[string]{"EA-401": compared(cs.Keys, loadedEncrypts), "EA-423": loadedEncrypts})
	if err != nil {
		return nil, err
	}
	j.Groups.Data = true
	j.Facts.EncryptionFile, j.Facts.Stores = "enc.yaml", storeOf(cs.Keys)
	j.Facts.Encryption, err = encryptionconfig.Parse([]byte(cs.Encryption))
	return j, err
}

// judgeTree reads a tree. Oracles get the directory that it is in.
func (b *lab) judgeTree(ctx context.Context, cs Case, in HostInput, oracles map[string]oracle[string]) (*Judged, error) {
	root, err := os.MkdirTemp(b.cluster.Dir(), "tree-")
	if err != nil {
		return nil, err
	}
	if err := in.write(root, b.pki); err != nil {
		return nil, err
	}
	j := &Judged{Case: cs, Groups: rules.Groups{Host: true}, Flags: in.flags()}
	if j.Oracles, err = decide(ctx, cs, oracles, root); err != nil {
		return nil, err
	}
	if j.Facts.Host, err = hostconfig.Read(ctx, hostconfig.Options{Root: root, OwnersKept: true, MaxSnapshotAge: day, Now: time.Now(), NoMetrics: "no metrics of the API server were given"}); err != nil {
		return nil, err
	}
	in.version(j.Facts.Host)
	return j, nil
}
