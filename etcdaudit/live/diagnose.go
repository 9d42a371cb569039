package live

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// diagnoseTimeout bounds the look at endpoints.
const diagnoseTimeout = 5 * time.Second

// http2Preface begins every HTTP/2 connection (RFC 9113 section 3.4); the
// empty SETTINGS frame after it makes a server answer at once.
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// tlsAlertRecord is the first byte of a TLS alert (RFC 8446 section 5.1): what a
// TLS server answers to plain HTTP.
const tlsAlertRecord = 21

// diagnose finds out why an endpoint did not serve a request. gRPC reports
// everything below it as "unavailable" with a text; here the same connection is
// made step by step, so that each step's error still has its type. It returns
// nil if all steps work, which leaves the request's own error. ctx has a deadline.
func diagnose(ctx context.Context, op string, endpoint endpoint, config *tls.Config) *Error {
	e := connectOnce(ctx, endpoint, config)
	if e != nil {
		e.Op = fmt.Sprintf("%s at %s", op, endpoint.url)
	}
	return e
}

func connectOnce(ctx context.Context, endpoint endpoint, config *tls.Config) *Error {
	conn, err := (&net.Dialer{}).DialContext(ctx, endpoint.network, endpoint.address)
	if err != nil {
		return dialError(err)
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	certificateWanted := false
	if config != nil {
		secured := tls.Client(conn, probeConfig(config, endpoint.name, &certificateWanted))
		if err := secured.HandshakeContext(ctx); err != nil {
			return handshakeError(err, config)
		}
		conn = secured
	}
	e := firstAnswer(conn, config, certificateWanted)
	if e != nil && isPeerPort(ctx, endpoint, config) {
		return peerPort()
	}
	return e
}

// firstAnswer speaks HTTP/2 as a client of gRPC does. With TLS 1.3 a server
// judges the client's certificate after the client has finished: its answer
// comes with the first read.
func firstAnswer(conn net.Conn, config *tls.Config, certificateWanted bool) *Error {
	first := make([]byte, 1)
	if _, err := io.WriteString(conn, http2Preface); err != nil {
		return firstReadError(err, config, certificateWanted)
	}
	if _, err := io.ReadFull(conn, first); err != nil {
		return firstReadError(err, config, certificateWanted)
	}
	switch {
	case config == nil && first[0] == tlsAlertRecord:
		return httpsNeeded(nil)
	case first[0] == 'H':
		return &Error{What: "the endpoint answers in HTTP/1.1 and does not speak gRPC", Do: "check that this is etcd's client port"}
	}
	return nil
}

// probeConfig also notes whether the server asks for a certificate: one that
// refuses ours may reset the connection before its reason has been read.
func probeConfig(config *tls.Config, name string, wanted *bool) *tls.Config {
	config = config.Clone()
	config.ServerName = name
	config.NextProtos = []string{"h2"}
	given := config.GetClientCertificate
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		*wanted = true
		if given == nil {
			return &tls.Certificate{}, nil
		}
		return given(info)
	}
	return config
}

func dialError(err error) *Error {
	e := &Error{Err: err, Do: "check the address, that etcd runs, and firewalls in between"}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		e.What = "the host name does not resolve"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.What = "nothing listens there"
	case errors.Is(err, fs.ErrNotExist):
		e.What = "there is no such socket"
	case errors.Is(err, fs.ErrPermission):
		e.What, e.Do = "this user may not connect to the socket", "run as the socket's owner"
	case timedOut(err):
		e.What = "the connection is not accepted in time"
	default:
		e.What = "the endpoint is not reachable"
	}
	return e
}

// handshakeError says why a handshake failed with this configuration.
func handshakeError(err error, config *tls.Config) *Error {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	e := &Error{Err: err}
	switch {
	case errors.As(err, &authority):
		e.What = "etcd's certificate is not signed by the CA that it was checked with"
		if config.RootCAs == nil {
			e.What = "etcd's certificate is not signed by a CA of this system, and no other CA was given"
		}
		e.Do = "give the CA that signed it (--cacert; kubeadm: /etc/kubernetes/pki/etcd/ca.crt)"
	case errors.As(err, &host):
		e.What = "etcd's certificate is for another name"
		e.Do = "use a host name or address that the certificate lists"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.What = "etcd's certificate is expired or not yet valid"
		e.Do = "check the clocks, and renew it"
	case errors.As(err, &verify):
		e.What = "etcd's certificate is not accepted"
	case errors.As(err, &record):
		return httpNeeded(err)
	case isRemoteAlert(err):
		return clientCertificateRefused(err, config)
	case timedOut(err):
		return noAnswer(err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return closed(err)
	default:
		e.What = "no TLS connection could be made"
	}
	return e
}

func firstReadError(err error, config *tls.Config, certificateWanted bool) *Error {
	switch {
	case timedOut(err):
		return noAnswer(err)
	case config == nil:
		return httpsNeeded(err)
	case certificateWanted || isRemoteAlert(err):
		return clientCertificateRefused(err, config)
	default:
		return closed(err)
	}
}

// isRemoteAlert recognises an alert of the server: crypto/tls wraps it in a
// net.OpError and does not export its type.
func isRemoteAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

func clientCertificateRefused(err error, config *tls.Config) *Error {
	e := &Error{
		Err: err, What: "etcd does not accept this client's certificate",
		Do: "give a certificate of the CA that etcd trusts for clients (--cert, --key; kubeadm: /etc/kubernetes/pki/apiserver-etcd-client.crt and .key)",
	}
	if config.GetClientCertificate == nil {
		e.What = "etcd wants a client certificate, and none was given"
		return e
	}
	e.Do += ", and check that it has not expired"
	return e
}

func httpNeeded(err error) *Error {
	return &Error{Err: err, What: "the endpoint does not speak TLS", Do: "use http:// only if that is meant: everything, Secrets included, then crosses the network in plaintext"}
}

func httpsNeeded(err error) *Error {
	return &Error{Err: err, What: "the endpoint does not accept plain http", Do: "use https:// and give --cacert, --cert and --key"}
}

func closed(err error) *Error {
	return &Error{Err: err, What: "the connection is closed without an answer", Do: "check that this is etcd's client port"}
}

func noAnswer(err error) *Error {
	return &Error{Err: err, What: "the connection is accepted, but nothing answers", Do: "check etcd's health and the network"}
}

// absent reports whether an endpoint was not reached, or does not answer.
func absent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return timedOut(err) || ok && op.Op == "dial"
}

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed)
}
