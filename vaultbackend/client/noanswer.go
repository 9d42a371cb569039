package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

var (
	// ErrClosed is the failure of what comes after Close.
	ErrClosed = errors.New("the Vault client is closed")
	// ErrBroken is the failure of a request that panicked.
	ErrBroken = errors.New("the request broke off inside the plugin")
)

// Unanswered classifies the failure to get any answer.
func Unanswered(what string, err error) *backend.Error {
	return &backend.Error{Class: backend.Outage, Op: what, Reason: silenceReason(err), Err: err}
}

// silenceReason says why there is no answer, as far as that helps to end it.
func silenceReason(err error) string {
	timeout, isNet := errors.AsType[net.Error](err)
	_, isName := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	long, isLong := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isName: // before timeouts: a resolver that is silent is not Vault
		return "Vault's name cannot be resolved"
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "no answer from Vault within the deadline"
	case errors.Is(err, ErrClosed):
		return ErrClosed.Error()
	case errors.Is(err, ErrBroken):
		return ErrBroken.Error()
	case errors.Is(err, context.Canceled):
		return "the request was given up"
	case errors.Is(err, errClientCert):
		return errClientCert.Error()
	case isLong:
		return fmt.Sprintf("the answer is longer than %d bytes", long.Limit)
	case isOp && op.Op == "remote error":
		// A TLS alert: most often the listener wants a client certificate.
		return "Vault refuses the TLS connection"
	}
	if reason := distrust(err); reason != "" {
		return reason
	}
	return "Vault cannot be reached"
}

// distrust says why Vault's certificate is not trusted; "" if that is not it.
func distrust(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "Vault's certificate is for another name"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "Vault's certificate is signed by an unknown authority"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "Vault's certificate has expired, or is not valid yet"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "Vault's certificate is not trusted"
	}
	return ""
}
