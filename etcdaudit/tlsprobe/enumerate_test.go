package tlsprobe_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// told is what a server was told to serve. Groups are nil where it was not told.
type told struct {
	suites map[uint16][]uint16
	groups []uint16
}

func (w told) check(t *testing.T, s *facts.Served) {
	t.Helper()
	if s == nil || !s.Enumerated {
		t.Fatalf("not enumerated: %+v", s)
	}
	var versions []uint16
	for v, suites := range w.suites {
		versions = append(versions, v)
		slices.Sort(suites)
	}
	slices.Sort(versions)
	if diff := cmp.Diff(versions, s.Versions); diff != "" {
		t.Error("versions", diff)
	}
	if diff := cmp.Diff(w.suites, s.Suites); diff != "" {
		t.Error("suites", diff)
	}
	if diff := cmp.Diff(w.groups, s.Groups); w.groups != nil && diff != "" {
		t.Error("groups", diff)
	}
}

const (
	tls10, tls11, tls12, tls13 = tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	gcm128                     = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	gcm256                     = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
)

func TestEnumerationFindsWhatEtcdWasToldToServe(t *testing.T) {
	t.Parallel()
	new13 := []uint16{0x1301, 0x1302, 0x1303}
	for _, c := range []struct {
		name  string
		flags []string
		rsa   bool
		told  told
	}{
		{"its defaults", nil, false, told{map[uint16][]uint16{
			tls12: {0xc009, 0xc00a, gcm128, gcm256, 0xcca9}, tls13: new13,
		}, []uint16{23, 24, 25, 29, 4587, 4588, 4589}}},
		{"two suites", []string{"--cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}, false,
			told{map[uint16][]uint16{tls12: {gcm128, gcm256}, tls13: new13}, nil}},
		{"TLS 1.2 with a weak suite and an RSA key", []string{"--tls-max-version=TLS1.2", "--cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}, true,
			told{map[uint16][]uint16{tls12: {0x002f, 0xc02f}}, []uint16{23, 24, 25, 29}}},
		{"TLS 1.3 only", []string{"--tls-min-version=TLS1.3"}, false, told{map[uint16][]uint16{tls13: new13}, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			if c.rsa {
				p.server = p.issueRSA(t, "rsa", onLoopback)
			}
			e := start(t, components.Etcd, append(p.mutual(), c.flags...)...)
			l := probe(t, tlsprobe.Config{CA: p.pool(t), Own: p.own(t), Targets: e.targets()[:1], Enumerate: true}).Listeners[0]
			c.told.check(t, l.Served)
		})
	}
}

// What etcd cannot serve comes from OpenSSL's server.
func TestEnumerationFindsWhatOpenSSLWasToldToServe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		ciphers string // of OpenSSL, for TLS 1.2 and older
		args    []string
		rsa     bool
		told    told
	}{
		{"TLS 1.0 only", "AES128-SHA:ECDHE-RSA-AES256-SHA", []string{"-tls1", "-groups", "P-256"}, true,
			told{map[uint16][]uint16{tls10: {0x002f, 0xc014}}, []uint16{23}}},
		{"TLS 1.1 and an anonymous suite", "AECDH-AES128-SHA:CAMELLIA256-SHA", []string{"-tls1_1"}, true,
			told{map[uint16][]uint16{tls11: {0x0084, 0xc018}}, nil}},
		{"all versions, with NULL, Camellia and CCM", "NULL-SHA:CAMELLIA128-SHA:AES256-CCM8:DHE-RSA-AES128-SHA", []string{"-ciphersuites", "TLS_AES_128_CCM_SHA256:TLS_AES_256_GCM_SHA384"}, true,
			told{map[uint16][]uint16{
				tls10: {0x0002, 0x0041, 0x0033}, tls11: {0x0002, 0x0041, 0x0033},
				tls12: {0x0002, 0x0041, 0x0033, 0xc0a1}, tls13: {0x1302, 0x1304},
			}, nil}},
		{"TLS 1.3 with one suite and two groups", "", []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256:TLS_CHACHA20_POLY1305_SHA256", "-groups", "P-384:X25519"}, false,
			told{map[uint16][]uint16{tls13: {0x1303, 0x1305}}, []uint16{24, 29}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			if c.rsa {
				p.server = p.issueRSA(t, "rsa", onLoopback)
			}
			args := c.args
			if c.ciphers != "" {
				args = append(args, "-cipher", c.ciphers+":@SECLEVEL=0")
			}
			address := startOpenSSL(t, p, args...)
			target := tlsprobe.Target{Purpose: facts.MetricsPort, URL: "https://" + address}
			l := probe(t, tlsprobe.Config{CA: p.pool(t), Targets: []tlsprobe.Target{target}, Enumerate: true}).Listeners[0]
			c.told.check(t, l.Served)
		})
	}
}

func startOpenSSL(t *testing.T, p *pki, args ...string) (address string) {
	t.Helper()
	address = freePort(t)
	cmd := exec.Command("openssl", append([]string{"s_server", "-accept", address, "-www", "-quiet",
		"-cert", p.server.cert, "-key", p.server.key}, args...)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	testkit.Check(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("openssl on port %s: %w", strconv.Quote(address), err))
		}
	}
}

// secure answers TLS until the test ends. refuse may close a connection before its hello is
// answered.
func secure(t *testing.T, p *pki, refuse func(n int64, hello *tls.ClientHelloInfo) bool) (address string) {
	t.Helper()
	config := p.serverConfig(t)
	var n atomic.Int64
	return serve(t, func(c net.Conn) {
		mine := config.Clone()
		mine.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if refuse(n.Add(1), hello) {
				c.Close() // no alert can be sent after that
			}
			return nil, nil
		}
		first := bufio.NewReader(c)
		if b, err := first.Peek(1); err != nil || b[0] != 22 {
			return
		}
		secured := tls.Server(&peeked{c, first}, mine)
		if secured.Handshake() == nil {
			secured.Close()
		}
	})
}

// A proxy that has no server behind it at that moment ends the connection. That is no
// refusal of what was offered.
func TestAConnectionThatEndsIsNoRefusalOfASuite(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	c := patient(clientTarget(secure(t, p, func(n int64, _ *tls.ClientHelloInfo) bool { return n%3 == 0 })))
	c.Enumerate = true
	l := probe(t, c).Listeners[0]
	told{map[uint16][]uint16{
		tls12: {0xc009, 0xc00a, gcm128, gcm256, 0xcca9}, tls13: {0x1301, 0x1302, 0x1303},
	}, []uint16{23, 24, 25, 29, 4587, 4588, 4589}}.check(t, l.Served)
	outcomes := map[facts.Outcome]int{}
	for _, e := range l.Exchanges {
		if e.Request == facts.Offer {
			outcomes[e.Outcome]++
			if e.Outcome == facts.Mismatch && !strings.Contains(e.Said, "alert: ") && !strings.Contains(e.Said, "closed") {
				t.Errorf("%+v", e)
			}
		}
	}
	// Eight suites and seven groups are chosen; four versions end with an alert, and some
	// connections without one.
	if outcomes[facts.Answered] != 15 || outcomes[facts.Mismatch] < 5 {
		t.Errorf("outcomes %v", outcomes)
	}
}

func TestAVersionThatIsAlwaysCutOffIsNotCalledRefused(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	c := patient(clientTarget(secure(t, p, func(_ int64, hello *tls.ClientHelloInfo) bool {
		return !slices.Contains(hello.SupportedVersions, tls12) && !slices.Contains(hello.SupportedVersions, tls13)
	})))
	c.Enumerate = true
	s := probe(t, c).Listeners[0].Served
	if s == nil || s.Enumerated || !slices.Equal(s.Versions, []uint16{tls12, tls13}) || len(s.Suites[tls13]) != 3 || len(s.Groups) != 7 {
		t.Fatalf("served %+v", s)
	}
	for _, version := range []string{"TLS 1.0", "TLS 1.1"} {
		if !slices.ContainsFunc(s.NotOffered, func(m facts.Missing) bool { return strings.Contains(m.What, version) }) {
			t.Errorf("%s is not among %v", version, s.NotOffered)
		}
	}
}
