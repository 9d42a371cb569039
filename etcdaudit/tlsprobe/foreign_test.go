package tlsprobe_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/testkit"
)

// web serves HTTP/1.1 and HTTP/2, without TLS or with it, and returns its address.
func web(t *testing.T, config *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	l := testkit.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// What answers everything must not be taken for an open etcd: no setting of etcd closes it.
func TestAServerThatIsNotEtcdIsNamed(t *testing.T) {
	t.Parallel()
	secure := newPKI(t).serverConfig(t)
	const notHTTP, notGRPC = "an HTTP server that is not etcd", "a gRPC server that is not etcd"
	for name, tt := range map[string]struct {
		config  *tls.Config
		answer  http.HandlerFunc
		purpose facts.Purpose
		behind  string // empty for what may be an etcd behind a proxy
	}{
		"a web server that answers 200 to everything": {nil, says(200, "Welcome"), facts.ClientPort, notHTTP},
		"the same over TLS":                           {secure, says(200, "Welcome"), facts.ClientPort, notHTTP},
		"a web server that has no such page":          {nil, says(404, "not found"), facts.ClientPort, notHTTP},
		"with an empty answer":                        {nil, says(200, ""), facts.ClientPort, notHTTP},
		"an API server":                               {secure, says(200, `{"major":"1","gitVersion":"v1.37.1"}`), facts.ClientPort, notHTTP},
		"one that gives its name": {nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Server", "nginx/1.27")
		}, facts.ClientPort, notHTTP + " (Server: nginx/1.27)"},
		"at a peer address":                       {nil, says(200, "Welcome"), facts.PeerPort, notHTTP},
		"at a metrics address":                    {nil, says(200, "node_load1 0.5"), facts.MetricsPort, notHTTP},
		"metrics of etcd":                         {nil, says(200, "# HELP etcd_x x\n# TYPE etcd_x gauge\netcd_x 1\n"), facts.MetricsPort, ""},
		"etcd over HTTP":                          {nil, says(200, `{"etcdserver":"3.7.3","etcdcluster":"3.7.0"}`), facts.ClientPort, ""},
		"etcd's gateway behind a proxy's version": {nil, gatewayOnly, facts.ClientPort, ""},
		"a proxy that refuses":                    {nil, says(403, "no"), facts.ClientPort, ""},
		"a proxy whose server is down":            {nil, says(502, "no"), facts.ClientPort, ""},
		"a proxy that sends clients elsewhere":    {nil, says(301, ""), facts.ClientPort, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scheme := "http://"
			if tt.config != nil {
				scheme = "https://"
			}
			c := tlsprobe.Config{Targets: []tlsprobe.Target{{Purpose: tt.purpose, URL: scheme + web(t, tt.config, tt.answer)}}, Limits: tlsprobe.Limits{Interval: time.Millisecond, Answer: 20 * time.Second, Silence: time.Minute}}
			for _, c.Passive = range []bool{false, true} {
				if c.Passive && tt.behind == "" {
					continue // the gateway is not asked then
				}
				if l := probe(t, c).Listeners[0]; l.Foreign != (tt.behind != "") || l.Foreign && l.Behind != tt.behind {
					t.Errorf("passive %v: foreign %v, behind %q", c.Passive, l.Foreign, l.Behind)
				}
			}
		})
	}
	t.Run("a gRPC server", func(t *testing.T) {
		t.Parallel()
		l := testkit.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
		server := grpc.NewServer()
		go server.Serve(l)
		t.Cleanup(server.Stop)
		c := tlsprobe.Config{Targets: []tlsprobe.Target{{Purpose: facts.ClientPort, URL: "http://" + l.Addr().String()}}}
		if l := probe(t, c).Listeners[0]; !l.Foreign || l.Behind != notGRPC {
			t.Errorf("foreign %v, behind %q", l.Foreign, l.Behind)
		}
	})
}

func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if status == http.StatusMovedPermanently {
			w.Header().Set("Location", "https://192.0.2.1/")
		}
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// gatewayOnly is a proxy that has pages of its own before those of etcd.
func gatewayOnly(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v3/") {
		io.WriteString(w, `{"header":{"cluster_id":"1","member_id":"2"}}`)
	}
}
