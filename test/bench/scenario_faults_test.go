package bench

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/cluster"
)

// BenchmarkScenarioFaults measures Status as 64 callers see it while Vault does
// its worst and 64 more wait for what only Vault can open, against 64 callers of
// an empty call.
func BenchmarkScenarioFaults(b *testing.B) {
	s := newStack(b)
	front := s.front(b)
	direct := s.plugin(b, "direct", nil)
	fronted := s.plugin(b, "fronted", map[string]any{"vault": map[string]any{"address": front.url}})
	empty := startFloor(b, nil).empty
	sources := &supply{seeds: s.bareSeeds(b, 8192)}
	node := s.vault.Node(0)

	for _, fault := range []struct {
		name   string
		plugin *cluster.Plugin
		begin  func() error
		end    func() error
	}{
		{"Vault serves", direct, nil, nil},
		{"Vault hangs", direct, node.Pause, node.Resume},
		{"Vault answers 500", fronted, front.play(http.StatusInternalServerError, 0), front.play(0, 0)},
		{"Vault answers after 5 s", fronted, front.play(0, 5*time.Second), front.play(0, 0)},
		{"Vault is gone", direct, node.Kill, nil},
	} {
		b.Run(fault.name, func(b *testing.B) {
			client := fault.plugin.KMS()
			p := pair{group: "faults", subjectName: "Status, 64 callers: " + fault.name, floorName: "an empty call, 64 callers", limits: []record.Limit{{At: .999, Ratio: 20}}}
			if fault.begin != nil {
				if err := fault.begin(); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				failed := waiting(b, client, sources, func() {
					p.crowd(b, 64, 50*time.Millisecond, 2*time.Second, empty, func() error {
						_, err := client.Status(context.Background(), &kms.StatusRequest{})
						return err
					})
				})
				if failed == 0 && fault.begin != nil {
					b.Fatal("what needs Vault was opened all the time: there was no fault")
				}
			}
			p.report(b)
			if fault.end != nil {
				if err := fault.end(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// waiting has 64 callers ask for what the plugin does not hold, as an API server
// does that tries again, for as long as f takes, and counts how often they failed.
func waiting(b *testing.B, client kms.KeyManagementServiceClient, sources *supply, f func()) int64 {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range 64 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := client.Decrypt(ctx, sources.next()); err != nil && ctx.Err() == nil {
					failed.Add(1)
				}
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	f()
	stop()
	wg.Wait()
	return failed.Load()
}

// supply hands out seeds, none a second time before all are used up: the plugin
// keeps what it has opened.
type supply struct {
	seeds []stored
	used  atomic.Int64
}

func (s *supply) next() *kms.DecryptRequest {
	return s.seeds[int(s.used.Add(1))%len(s.seeds)].request
}

// front stands between plugins and Vault, as a load balancer that fails.
type front struct {
	url    string
	status atomic.Int64
	delay  atomic.Int64
}

func (s *stack) front(b *testing.B) *front {
	b.Helper()
	trust, err := trustIn(s.vault.CAFile())
	if err != nil {
		b.Fatal(err)
	}
	files, err := s.vault.Authority().Server("front")
	if err != nil {
		b.Fatal(err)
	}
	target, err := url.Parse(s.vault.Address(0))
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	f := &front{url: "https://" + l.Addr().String()}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{TLSClientConfig: trust},
		ErrorLog:  log.New(io.Discard, "", 0), // a benchmark's output is its figures
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(f.delay.Load())):
		case <-r.Context().Done():
			return
		}
		if status := f.status.Load(); status != 0 {
			http.Error(w, `{"errors":["internal error"]}`, int(status))
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(l, files.Cert, files.Key) }()
	b.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			b.Error(err)
		}
	})
	return f
}

// play returns what makes the front answer with a status, or late.
func (f *front) play(status int64, delay time.Duration) func() error {
	return func() error {
		f.status.Store(status)
		f.delay.Store(int64(delay))
		return nil
	}
}
