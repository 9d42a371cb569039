// Package kubeapi asks an API server, with a kubeconfig and nothing but net/http. It only
// sends GET requests, and must never ask for a Secret.
package kubeapi

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/internal/boundedyaml"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// kubeconfig is what is used of a kubeconfig file.
type kubeconfig struct {
	CurrentContext string `json:"current-context"`
	Contexts       []struct {
		Name    string `json:"name"`
		Context struct {
			Cluster string `json:"cluster"`
			User    string `json:"user"`
		} `json:"context"`
	} `json:"contexts"`
	Clusters []struct {
		Name    string  `json:"name"`
		Cluster cluster `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		Name string `json:"name"`
		User user   `json:"user"`
	} `json:"users"`
}

type cluster struct {
	Server     string `json:"server"`
	CAData     string `json:"certificate-authority-data"`
	CA         string `json:"certificate-authority"`
	ServerName string `json:"tls-server-name"`
	Insecure   bool   `json:"insecure-skip-tls-verify"`
	ProxyURL   string `json:"proxy-url"`
}

type user struct {
	CertData  string `json:"client-certificate-data"`
	Cert      string `json:"client-certificate"`
	KeyData   string `json:"client-key-data"`
	Key       string `json:"client-key"`
	Token     string `json:"token"`
	TokenFile string `json:"tokenFile"`
	Username  string `json:"username"`
	Exec      any    `json:"exec"`
	Provider  any    `json:"auth-provider"`
	As        string `json:"as"`
}

// longestFile bounds a kubeconfig and what it names, in bytes.
const longestFile = 1 << 20

// Load reads a kubeconfig, and what its current context names. It connects to nothing, and
// runs no program that a kubeconfig names: those are refused.
func Load(file string) (*Client, error) {
	text, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	var k kubeconfig
	if err := boundedyaml.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: not a kubeconfig in YAML", file)
	}
	c, err := k.client(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", file, err)
	}
	return c, nil
}

func read(file string) ([]byte, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	data, _, err := hostfacts.Tree{Root: "/"}.ReadFile(absolute, longestFile)
	return data, err
}

// chosen returns the cluster and the user of the current context.
func (k kubeconfig) chosen() (c cluster, u user, err error) {
	for _, one := range k.Contexts {
		if one.Name != k.CurrentContext {
			continue
		}
		found := 0
		for _, each := range k.Clusters {
			if each.Name == one.Context.Cluster {
				c, found = each.Cluster, found|1
			}
		}
		for _, each := range k.Users {
			if each.Name == one.Context.User {
				u, found = each.User, found|2
			}
		}
		if found != 3 {
			return c, u, fmt.Errorf("the cluster or user of context %q is not in it", one.Name)
		}
		return c, u, nil
	}
	return c, u, fmt.Errorf("no context is called %q (current-context)", k.CurrentContext)
}

func (k kubeconfig) client(dir string) (*Client, error) {
	c, u, err := k.chosen()
	if err != nil {
		return nil, err
	}
	switch {
	case u.Exec != nil || u.Provider != nil:
		return nil, errors.New("its user logs in with a program (exec), which is not run here: give one with a client certificate or a token")
	case u.Username != "" || u.As != "":
		return nil, errors.New("its user has a password or acts as another one, which is not supported: give one with a client certificate or a token")
	case c.ProxyURL != "":
		return nil, errors.New("its cluster is reached through a proxy (proxy-url), which is not supported")
	}
	server, err := url.Parse(c.Server)
	if err != nil || server.Scheme != "https" {
		return nil, errors.New("its server is no https URL")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, InsecureSkipVerify: c.Insecure} //nolint:gosec // as the kubeconfig says
	if ca, err := load(dir, c.CAData, c.CA); err != nil {
		return nil, fmt.Errorf("its certificate-authority: %w", err)
	} else if ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("its certificate-authority has no certificate")
		}
	}
	cert, errCert := load(dir, u.CertData, u.Cert)
	key, errKey := load(dir, u.KeyData, u.Key)
	defer clear(key)
	if err := errors.Join(errCert, errKey); err != nil {
		return nil, fmt.Errorf("its client certificate: %w", err)
	}
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, errors.New("its client certificate and key do not belong together")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	token := u.Token
	if u.TokenFile != "" {
		text, err := load(dir, "", u.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("its token file: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	return newClient(server, config, token), nil
}

// load returns the data of a field, or the content of the file that it names.
func load(dir, data, file string) ([]byte, error) {
	if data != "" {
		decoded, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, errors.New("not base64")
		}
		return decoded, nil
	}
	if file == "" {
		return nil, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	return read(file)
}
