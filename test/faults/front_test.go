package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
)

// front is an HTTPS server in front of the real Vault, as a load balancer is. It
// makes what no Vault can be brought to answer at will.
type front struct {
	*httptest.Server
	fault       atomic.Pointer[http.Handler] // nil: requests are passed on
	certificate atomic.Pointer[tls.Certificate]
	upstream    *http.Transport // to Vault
}

func newFront(t *testing.T, v *cluster.Vault) *front {
	t.Helper()
	upstream := must(url.Parse(v.Address(0)))(t)
	trusted := must(must(v.Authority().Client("front"))(t).TLS())(t)
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	f := &front{upstream: &http.Transport{TLSClientConfig: trusted}}
	proxy.Transport = f.upstream
	// Clients that give up, or refuse its certificates, are what it is for.
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	f.present(t, must(v.Authority().Server("front"))(t))
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := f.fault.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	f.Config.ErrorLog = proxy.ErrorLog
	f.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*f.certificate.Load()}}, nil
	}}
	f.StartTLS()
	t.Cleanup(func() { f.Close(); f.upstream.CloseIdleConnections() })
	return f
}

// present shows a certificate at every connection from now on.
func (f *front) present(t *testing.T, files cluster.CertFiles) {
	t.Helper()
	pair := must(tls.LoadX509KeyPair(files.Cert, files.Key))(t)
	f.certificate.Store(&pair)
}

func (f *front) answerWith(h http.Handler) { f.fault.Store(&h) }

func (f *front) passOn() { f.fault.Store(nil) }

// failure answers every request as Vault does when it fails.
func failure(code int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors": [%q]}`, text)
	})
}

// resetHalfway passes requests on, and resets the connection in the middle of
// Vault's answer.
func resetHalfway(client *http.Client, upstream string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		half, err := halfAnswer(r.Context(), client, upstream, r)
		conn, buffered, hijackErr := http.NewResponseController(w).Hijack()
		if hijackErr != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		if err != nil {
			return
		}
		_, _ = buffered.Write(half)
		_ = buffered.Flush()
		if under, ok := conn.(*tls.Conn); ok {
			if tcp, ok := under.NetConn().(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // what is closed now is reset
				_ = tcp.Close()
			}
		}
	})
}

// halfAnswer fetches Vault's answer, and returns its head and half of its body.
func halfAnswer(ctx context.Context, client *http.Client, upstream string, r *http.Request) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, upstream+r.URL.RequestURI(), r.Body)
	if err != nil {
		return nil, err
	}
	request.Header = r.Header.Clone()
	request.ContentLength = r.ContentLength
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %s\r\n", response.Status)
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	if err := response.Header.Write(&out); err != nil {
		return nil, err
	}
	out.WriteString("\r\n")
	out.Write(body[:len(body)/2])
	return out.Bytes(), nil
}
