package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// bindRetry is how often to try a port in use again: a plugin that is being replaced
// uses it until it has drained.
const bindRetry = time.Second

// web serves health and metrics. A port in use must not stop the KMS service: it is
// logged as an error and tried again.
type web struct {
	address  string // empty: nothing is served
	tls      listenTLS
	log      *slog.Logger
	listener net.Listener // nil while the port cannot be bound
	taken    error        // why
}

// bindWeb binds the address, if possible.
func bindWeb(ctx context.Context, address string, tls listenTLS, log *slog.Logger) *web {
	w := &web{address: address, tls: tls, log: log}
	if address != "" {
		w.taken = w.bind(ctx)
	}
	return w
}

func (w *web) bind(ctx context.Context) (err error) {
	var config net.ListenConfig
	w.listener, err = config.Listen(ctx, "tcp", w.address)
	return err
}

// serve serves until the context ends.
func (w *web) serve(ctx context.Context, handler http.Handler) {
	if w.address == "" {
		return
	}
	if w.listener == nil {
		// Logged only now: a plugin that does not start should log one reason.
		w.log.Error("health and metrics are not served: the address cannot be bound; trying again every second", "listen", w.address, "cause", w.taken.Error())
	}
	for w.bound(ctx) {
		if err := w.serveOnce(ctx, handler); ctx.Err() == nil {
			w.log.Error("health and metrics are no longer served: the listener failed; binding it again", "listen", w.address, "cause", err.Error())
		}
		w.listener = nil // closed by serveOnce
	}
}

// bound returns true once there is a listener, and false if the context ends first.
func (w *web) bound(ctx context.Context) bool {
	retry := time.NewTicker(bindRetry)
	defer retry.Stop()
	for w.listener == nil {
		select {
		case <-ctx.Done():
			return false
		case <-retry.C:
			if w.bind(ctx) == nil {
				w.log.Info("health and metrics are served now", "listen", w.address)
			}
		}
	}
	return true
}

// serveOnce serves until the context ends or the listener fails, and returns why.
func (w *web) serveOnce(ctx context.Context, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(w.log.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // the second for open requests is over
		}
	})
	listener := w.listener
	if w.tls.enabled() {
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: w.tls.config})
	}
	err := server.Serve(listener)
	if stop() {
		_ = server.Close() // connections that are left over
	}
	return err
}

// config reads the files for every connection: there are few a minute, and
// certificates are replaced while the plugin runs.
func (l listenTLS) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(l.CertFile, l.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load listen-tls.cert-file and listen-tls.key-file: %w", err)
	}
	pem, err := os.ReadFile(l.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("listen-tls.client-ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("listen-tls.client-ca-file: %s contains no PEM certificate", l.ClientCAFile)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
	}, nil
}

// close frees the port where serve was never called.
func (w *web) close() error {
	if w.listener == nil {
		return nil
	}
	if err := w.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
