package tlsprobe_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/kine"
	"github.com/sealproof/sealproof/test/testkit"
)

func nothing(net.Conn) {}

// etcd's own access control lets clients in, and denies what they may not read. Over TLS
// the user is the certificate's name.
func TestWhatAnIdentityMayReadFollowsFromItsRanges(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	root := p.issue(t, "root")
	e := start(t, components.Etcd, append(p.mutual(), "--listen-client-urls=http://{client},https://{client}")...)
	client := p.etcdClient(t, e, root)
	ctx := t.Context()
	testkit.Must(client.Put(ctx, "/registry/secrets/default/a", "hunter2"))(t)
	for _, user := range []string{"root", "client"} {
		testkit.Must(client.UserAddWithOptions(ctx, user, "", &clientv3.UserAddOptions{NoPassword: true}))(t)
		testkit.Must(client.RoleAdd(ctx, user))(t)
		testkit.Must(client.UserGrantRole(ctx, user, user))(t)
	}
	testkit.Must(client.RoleGrantPermission(ctx, "client", "/registry/", clientv3.GetPrefixRangeEnd("/registry/"), clientv3.PermissionType(clientv3.PermRead)))(t)
	testkit.Must(client.AuthEnable(ctx))(t)
	l := probe(t, tlsprobe.Config{
		CA: p.pool(t), Own: p.own(t), Targets: e.targets()[:1],
		Given: []tlsprobe.Identity{root.identity(t, "root"), p.issue(t, "stranger").identity(t, "stranger")},
	}).Listeners[0]
	for _, w := range []want{
		{false, facts.Range, "", facts.Denied, "user name is empty"},
		{true, facts.Range, tlsprobe.Own, facts.Answered, "OK"},
		{true, facts.RangeAll, tlsprobe.Own, facts.Denied, "permission denied"},
		{true, facts.Range, "stranger", facts.Denied, "permission denied"},
		{true, facts.RangeAll, "root", facts.Answered, "OK"},
	} {
		w.check(t, l)
	}
	for _, x := range l.Exchanges {
		if strings.Contains(x.Said, "hunter2") || strings.Contains(x.Said, "/registry") {
			t.Errorf("read from etcd: %+v", x)
		}
	}
}

func TestWhatStandsInFrontOfEtcdIsNamed(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, p.mutual()...)
	// A grpc-proxy takes no certificate with a name: etcd would take it for each client's user.
	nameless := p.issue(t, "nameless", func(c *x509.Certificate) { c.Subject = pkix.Name{} })
	address := freePort(t)
	binary := clustertest.Options(t, components.Etcd).Binaries[components.Etcd].Path
	cmd := exec.Command(binary, "grpc-proxy", "start", "--endpoints=https://"+e.client, "--listen-addr="+address,
		"--cacert="+p.caFile, "--cert="+nameless.cert, "--key="+nameless.key, "--data-dir="+e.dir+"/proxy")
	log := testkit.Must(os.Create(e.dir + "/proxy.log"))(t)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	testkit.Check(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); log.Close() })
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v: %s", err, testkit.Must(os.ReadFile(log.Name()))(t))
		}
	}
	socket := (&kine.Server{}).Start(t)
	wire := probe(t, tlsprobe.Config{Targets: []tlsprobe.Target{
		{Purpose: facts.ClientPort, URL: "http://" + address}, {Purpose: facts.ClientPort, URL: socket},
	}})
	for i, name := range []string{"grpc-proxy", "kine"} {
		l := wire.Listeners[i]
		if l.Behind != name {
			t.Errorf("%s: behind %q, want %q", l.URL, l.Behind, name)
		}
		want{false, facts.Range, "", facts.Answered, ""}.check(t, l)
	}
}

func TestMembersAreFoundFromOneOfThem(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, p.mutual()...)
	nowhere := clientTarget(freePort(t))
	config := tlsprobe.Config{Own: p.own(t), Targets: append([]tlsprobe.Target{nowhere}, e.targets()...)}
	got, asked, err := tlsprobe.Members(t.Context(), config)
	testkit.Check(t, err)
	var urls []string
	for _, target := range got {
		urls = append(urls, string(target.Purpose)+" "+target.Member+" "+target.URL)
	}
	if want := []string{"client m0 https://" + e.client, "peer m0 https://" + e.peer}; !slices.Equal(urls, want) {
		t.Errorf("%q, want %q", urls, want)
	}
	// The connections are those of the listeners' reports and plans.
	config.Asked, config.Passive = asked, true
	plan := testkit.Must(tlsprobe.PlanOf(config))(t)
	for i, l := range probe(t, config).Listeners[:2] {
		want{true, facts.MemberList, tlsprobe.Own, asked[i].Outcome, asked[i].Said}.check(t, l)
		if n := plan.Listeners[i]; n.Asked != 1 || l.Unreachable == "" && len(l.Exchanges) != n.Usual {
			t.Errorf("%s: %d connections, planned %+v", l.URL, len(l.Exchanges), n)
		}
	}
	// Without a certificate the reason is that of each address.
	_, _, err = tlsprobe.Members(t.Context(), tlsprobe.Config{Targets: append([]tlsprobe.Target{nowhere}, e.targets()...)})
	if err == nil || !strings.Contains(err.Error(), "nothing listens") || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("%v", err)
	}
}
