package live

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// Config says how to reach etcd.
type Config struct {
	// Endpoints are members of one cluster: https://host:port,
	// http://host:port, or host:port, which means https if any certificate is
	// given; or a socket, unix:///path, or unixs:///path with TLS.
	Endpoints []string
	// CAFile holds the certificates that etcd's own must chain to; the system's
	// roots if it is empty.
	CAFile string
	// CertFile and KeyFile identify this client; both or neither.
	CertFile, KeyFile string
	// Username and Password are for etcd's own authentication; both or neither.
	Username, Password string
	// RequestTimeout bounds each request, not the whole reading.
	RequestTimeout time.Duration
	// Rate is the most bytes of keys and values that are read a second; 0 for no limit.
	Rate int64
	// Serializable lets any member answer by itself, without asking the others: for a cluster
	// without a quorum, or to spare it. What it has not heard of yet is then not read.
	Serializable bool
	// Members is how members are compared; empty for NotAtAll.
	Members Comparing
}

func (c Config) wantsTLS() bool { return c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" }

// endpoints reads the endpoints, which are all secured or none of them.
func (c Config) endpoints() ([]endpoint, error) {
	if len(c.Endpoints) == 0 {
		return nil, errors.New("no etcd endpoint given")
	}
	list := make([]endpoint, len(c.Endpoints))
	for i, text := range c.Endpoints {
		var err error
		if list[i], err = parseEndpoint(text, fmt.Sprintf("%d of %d", i+1, len(c.Endpoints)), c.wantsTLS()); err != nil {
			return nil, err
		}
		if list[i].secure != list[0].secure {
			return nil, errors.New("etcd endpoints: those with and without TLS (http and https) cannot be mixed")
		}
	}
	return list, nil
}

// tlsConfig reads the certificate files. It is nil without TLS.
func (c Config) tlsConfig(secure bool) (*tls.Config, error) {
	if !secure {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s: no PEM certificate in it", c.CAFile)
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its certificate file and its key file")
	}
	if c.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s: %w", c.CertFile, c.KeyFile, err)
		}
		// A function and not Certificates: Go would otherwise send no
		// certificate at all when etcd does not name its issuer, and etcd could
		// only say that there was none.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return config, nil
}

func (c Config) checkUser() error {
	if (c.Username == "") != (c.Password == "") {
		return errors.New("etcd user: a name without a password, or the reverse")
	}
	return nil
}
