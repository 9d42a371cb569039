package runbook_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// setup is an etcd on nodes of its own.
type setup struct {
	t     *testing.T
	ctx   context.Context
	nodes []*node
	// env is what the shell of the runbook gets, and auditor the program.
	env     []string
	auditor string
	client  *clientv3.Client
	// canary is in each Secret that was plaintext, and nowhere else.
	canary []byte
}

// newSetup starts an etcd of a release with so many members. The first one is kubeadm's; the second has all
// settings as flags of its unit, the third some as variables.
func newSetup(t *testing.T, release components.Name, members int) *setup {
	t.Helper()
	opts := clustertest.Options(t, release, components.Etcdctl, components.ETCDAudit)
	if release == components.Etcd {
		release = cmp.Or(opts.Etcd, release)
	}
	s := &setup{t: t, ctx: t.Context(), auditor: opts.Binaries.Path(components.ETCDAudit)}
	c := clustertest.Start(t, opts)
	authority := testkit.Must(cluster.NewAuthority(filepath.Join(t.TempDir(), "pki"), "etcd-ca"))(t)
	server := testkit.Must(authority.Server("member"))(t)
	root := t.TempDir()
	var initial, endpoints []string
	for i := range members {
		n := &node{t: t, c: c, etcd: release, address: fmt.Sprintf("127.0.0.%d", i+2), manifest: i == 0}
		n.root = filepath.Join(root, n.address)
		s.nodes = append(s.nodes, n)
		urls := [2]string{}
		for j := range urls {
			_, port, err := net.SplitHostPort(testkit.Must(c.Address())(t))
			testkit.Check(t, err)
			urls[j] = "https://" + net.JoinHostPort(n.address, port)
		}
		initial = append(initial, fmt.Sprintf("cp-%d=%s", i, urls[1]))
		endpoints = append(endpoints, urls[0])
		n.unit = []string{
			c.Program(release), fmt.Sprintf("--name=cp-%d", i), "--data-dir=" + n.dataDir(),
			"--listen-client-urls=" + urls[0], "--advertise-client-urls=" + urls[0],
			"--listen-peer-urls=" + urls[1], "--initial-advertise-peer-urls=" + urls[1],
			"--client-cert-auth=true", "--trusted-ca-file=" + server.CA, "--cert-file=" + server.Cert, "--key-file=" + server.Key,
			"--peer-client-cert-auth=true", "--peer-trusted-ca-file=" + server.CA, "--peer-cert-file=" + server.Cert, "--peer-key-file=" + server.Key,
			"--unsafe-no-fsync=true", // processes end here, never machines
		}
	}
	for i, n := range s.nodes {
		testkit.Check(t, os.MkdirAll(filepath.Dir(n.dataDir()), 0o700))
		n.unit = append(n.unit, "--initial-cluster="+strings.Join(initial, ","))
		switch i {
		case 0: // kubeadm does not set it on the first node
		case 1:
			n.unit = append(n.unit, "--initial-cluster-state=new", "--snapshot-count=10000")
		default:
			n.env = []string{"ETCD_INITIAL_CLUSTER_STATE=new", "ETCD_MAX_WALS=5", "ETCD_SNAPSHOT_COUNT=10000"}
		}
		if !n.manifest {
			testkit.Check(t, n.start(n.unit[1:], n.env))
			continue
		}
		n.writeManifest()
		n.runKubelet()
	}
	programs := standIns(t, root, func(c call) answer {
		i := slices.IndexFunc(s.nodes, func(n *node) bool { return n.address == c.Node })
		if i < 0 {
			t.Errorf("%q is called outside of every node", c.Args)
			return answer{Code: 1}
		}
		return s.nodes[i].call(c.Args)
	})
	files := testkit.Must(authority.Client("client"))(t)
	s.env = []string{
		"PATH=" + programs + ":" + filepath.Dir(opts.Binaries.Path(components.Etcdctl)) + ":/usr/bin:/bin:/usr/sbin:/sbin",
		"ETCDCTL_CACERT=" + files.CA, "ETCDCTL_CERT=" + files.Cert, "ETCDCTL_KEY=" + files.Key,
	}
	s.client = testkit.Must(clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: testkit.Must(files.TLS())(t), Logger: zap.NewNop()}))(t)
	t.Cleanup(func() { _ = s.client.Close() })
	s.serves()
	return s
}

// runKubelet runs a kubelet until the test ends.
func (n *node) runKubelet() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.kubelet(ctx)
	}()
	n.t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// hang bounds what has to come about: a machine that does other things may be slow.
const hang = 5 * time.Minute

func (s *setup) serves() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, hang)
	defer cancel()
	for _, endpoint := range s.client.Endpoints() {
		for {
			try, end := context.WithTimeout(ctx, time.Minute)
			_, err := s.client.Status(try, endpoint)
			if err == nil {
				_, err = s.client.Put(try, "serves", endpoint)
			}
			end()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				s.t.Fatalf("%s does not serve: %v", endpoint, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// secrets are how many Secrets there are, and others how many other entries the log gets: more
// than the 5,000 that a leader keeps for members that lag.
const secrets, others = 300, 5200

func key(i int) string   { return fmt.Sprintf("/registry/secrets/shop/s%03d", i) }
func lease(i int) string { return fmt.Sprintf("/registry/leases/shop/l%04d", i) }

// put writes n keys.
func (s *setup) put(n int, key, value func(i int) string) {
	s.t.Helper()
	var next atomic.Int64
	var g errgroup.Group
	for range 16 {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if _, err := s.client.Put(s.ctx, key(i), value(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	testkit.Check(s.t, g.Wait())
}

// use does what API servers always do: they write and compact. Where a layer has none of their
// keys, nothing is called clean.
func (s *setup) use() {
	s.t.Helper()
	renewed := func(int) string { return "renewed" }
	for range 3 {
		s.put(1000, lease, renewed)
	}
	now := testkit.Must(s.client.Get(s.ctx, lease(0)))(s.t).Header.Revision
	testkit.Must(s.client.Compact(s.ctx, now, clientv3.WithCompactPhysical()))(s.t)
	s.put(1, lease, renewed)
	s.put(1, lease, renewed)
}

// plant writes Secrets as plaintext, with the canary, and then as an API server that encrypts
// would have rewritten them: kubectl is not run here.
func (s *setup) plant() {
	s.t.Helper()
	testkit.Must(s.client.Put(s.ctx, "/registry/namespaces/kube-system", stored.Plaintext))(s.t)
	s.canary = []byte(rand.Text()[:24]) // it is base64 as well
	s.put(secrets, key, func(i int) string {
		size := []int{100, 1 << 10, 5 << 10, 300 << 10}[min(i%10/3, 3)]
		return fmt.Sprintf(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s%03d","namespace":"shop"},"data":{"p":%q,"q":%q}}`, i, s.canary, strings.Repeat("A", size))
	})
	s.put(others, lease, func(i int) string { return fmt.Sprint(i) })
	s.put(secrets, key, func(int) string { return stored.KMSv2("p", "k", 1) })
}

// left counts the canaries in all files of a node.
func (s *setup) left(n *node) (copies int, in map[string]int) {
	s.t.Helper()
	in = map[string]int{}
	testkit.Check(s.t, filepath.WalkDir(n.root, func(name string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if found := bytes.Count(data, s.canary); found > 0 {
			in[name] = found
			copies += found
		}
		return err
	}))
	return copies, in
}
