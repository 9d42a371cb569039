package config

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	"github.com/sealproof/sealproof/test/cluster"
)

// inFront reports whether something stands before etcd at the address for clients.
func (e EtcdInput) inFront() bool { return e.Front != nil || e.GRPCProxy != "" }

// startFront starts what ends TLS before etcd, if the case has such a thing.
func (l *liveEtcd) startFront(ctx context.Context, c *cluster.Cluster) (err error) {
	if args := l.Etcd.GRPCProxy; args != "" {
		l.proxy, err = c.StartProgram(ctx, cluster.ProgramOptions{
			Name: "grpc-proxy-" + l.Name, Program: releases[l.Etcd.Release], Args: append([]string{"grpc-proxy", "start"}, words(args)...),
			Ready: func(ctx context.Context, _ *cluster.Process) error {
				if _, answers := answered(ctx, l.vars["client"]); !answers {
					return errors.New("it does not answer yet")
				}
				return nil
			},
		})
		return err
	}
	f := l.Etcd.Front
	if f == nil {
		return nil
	}
	config, err := l.frontConfig(*f)
	if err != nil {
		return err
	}
	upstream := func() (net.Conn, error) { return net.Dial("tcp", l.vars["behind"]) }
	if f.As != "" {
		pair, err := tls.LoadX509KeyPair(l.file(f.As+".crt"), l.file(f.As+".key"))
		if err != nil {
			return err
		}
		to := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}} //nolint:gosec // on loopback
		upstream = func() (net.Conn, error) { return tls.Dial("tcp", l.vars["behind"], to) }
	}
	listener, err := tls.Listen("tcp", l.vars["client"], config)
	if err != nil {
		return err
	}
	l.front = listener
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(conn, upstream)
		}
	}()
	return nil
}

func (l *liveEtcd) frontConfig(f Front) (*tls.Config, error) {
	cert := cmp.Or(f.Cert, "server")
	pair, err := tls.LoadX509KeyPair(l.file(cert+".crt"), l.file(cert+".key"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if config.MinVersion, err = version(f.Min); err != nil {
		return nil, err
	}
	if config.MaxVersion, err = version(f.Max); err != nil {
		return nil, err
	}
	for _, name := range f.Suites {
		known := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
		i := slices.IndexFunc(known, func(s *tls.CipherSuite) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no suite %s", name)
		}
		config.CipherSuites = append(config.CipherSuites, known[i].ID)
	}
	switch f.Verify {
	case "":
	case "not":
		config.ClientAuth = tls.RequireAnyClientCert
	case "name":
		config.ClientAuth = tls.RequireAnyClientCert
		config.VerifyConnection = func(s tls.ConnectionState) error {
			if leaf := s.PeerCertificates[0]; leaf.Issuer.CommonName != "etcd-ca" {
				return fmt.Errorf("the issuer is %s", leaf.Issuer.CommonName)
			}
			return nil
		}
	default:
		return nil, fmt.Errorf("a front cannot verify %q", f.Verify)
	}
	if f.ClientCA != "" {
		data, err := os.ReadFile(l.file(f.ClientCA + ".crt"))
		if err != nil {
			return nil, err
		}
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(data) {
			return nil, errors.New("no certificate in " + f.ClientCA)
		}
	}
	return config, nil
}

func version(s string) (uint16, error) {
	versions := map[string]uint16{"": 0, "1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	v, ok := versions[s]
	if !ok {
		return 0, fmt.Errorf("there is no TLS %s", s)
	}
	return v, nil
}

// forward copies both ways until either end closes.
func forward(from net.Conn, dial func() (net.Conn, error)) {
	defer func() { _ = from.Close() }()
	to, err := dial()
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}
