package live

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config says how to reach etcd.
type Config struct {
	// Endpoints are members of one cluster: https://host:port,
	// http://host:port, or host:port, which means https if any certificate is
	// given.
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
}

func (c Config) wantsTLS() bool { return c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" }

// endpoints returns the endpoints as URLs of one scheme.
func (c Config) endpoints() ([]string, error) {
	if len(c.Endpoints) == 0 {
		return nil, errors.New("no etcd endpoint given")
	}
	urls := make([]string, len(c.Endpoints))
	for i, endpoint := range c.Endpoints {
		if !strings.Contains(endpoint, "://") {
			scheme := "http://"
			if c.wantsTLS() {
				scheme = "https://"
			}
			endpoint = scheme + endpoint
		}
		u, err := url.Parse(endpoint)
		switch {
		case err != nil:
			// The reason would quote the text, and a password in it.
			return nil, fmt.Errorf("etcd endpoint %d of %d is no URL: want https://host:port", i+1, len(c.Endpoints))
		case u.Scheme != "http" && u.Scheme != "https":
			return nil, fmt.Errorf("etcd endpoint %s: want https://host:port or http://host:port", u.Redacted())
		case u.User != nil:
			return nil, fmt.Errorf("etcd endpoint %s: a password in a URL is visible to every process; use the environment", u.Redacted())
		case u.Port() == "" || u.Hostname() == "":
			return nil, fmt.Errorf("etcd endpoint %s: want host and port", endpoint)
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
			return nil, fmt.Errorf("etcd endpoint %s: nothing may follow the port", endpoint)
		case u.Scheme == "http" && c.wantsTLS():
			// The etcd client would drop the certificates without a word.
			return nil, fmt.Errorf("etcd endpoint %s: certificates are given but http does not use them; write https", endpoint)
		}
		urls[i] = u.Scheme + "://" + u.Host
		if !strings.HasPrefix(urls[0], u.Scheme+"://") {
			return nil, errors.New("etcd endpoints: http and https cannot be mixed")
		}
	}
	return urls, nil
}

// tlsConfig reads the certificate files. It is nil for http.
func (c Config) tlsConfig(endpoint string) (*tls.Config, error) {
	if strings.HasPrefix(endpoint, "http://") {
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
