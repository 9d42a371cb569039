package hostconfig

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/access"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/auditpolicy"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// apiServer reports one API server.
func (r *reader) apiServer(name string, s start, next *start) facts.APIServer {
	a := facts.APIServer{Name: name, Source: s.source, Process: s.facts(), Files: map[string]facts.File{}, Sockets: map[string]facts.Socket{}}
	if next != nil {
		a.Source = next.source
		s.pod, s.volumes = next.pod, next.volumes
		if a.Process != nil && a.Process.Version == "" {
			a.Process.Version = next.version
		}
	}
	a.Config, a.NotEvaluated = apiserverconfig.Parse(s.args), s.unknown
	if s.unknown != "" {
		r.missing(name, s.unknown, "")
	}
	r.apiServerFiles(s, &a)
	if file := a.Config.EncryptionConfig; file != "" {
		a.Encryption = r.encryption(s, file)
		r.sockets(s, &a)
	}
	r.keepAPIServer(s, &a)
	if file := a.Config.AuditPolicy; file != "" {
		a.Audit = r.audit(s, file)
	}
	r.access(s, &a)
	return a
}

func (r *reader) apiServerFiles(s start, a *facts.APIServer) {
	last := func(name string) string {
		if values := a.Config.Given[name]; len(values) > 0 {
			return values[len(values)-1]
		}
		return ""
	}
	add := func(name string, as role, certificate string) {
		if name != "" {
			a.Files[name] = r.file(s, name, as, certificate)
		}
	}
	c := a.Config
	for _, pair := range [][2]string{
		{c.EtcdCert, c.EtcdKey}, {c.TLSCert, c.TLSKey},
		{c.KubeletClientCert, last("kubelet-client-key")}, {last("proxy-client-cert-file"), last("proxy-client-key-file")},
	} {
		add(pair[0], certificateFile, "")
		add(pair[1], keyFile, pair[0])
	}
	for _, ca := range []string{c.EtcdCA, c.ClientCA, last("requestheader-client-ca-file"), last("kubelet-certificate-authority")} {
		add(ca, caFile, "")
	}
	for _, plain := range []string{c.EncryptionConfig, c.TokenAuthFile, c.AuthenticationConfig, c.AuthorizationConfig, c.AuditPolicy, c.AuditWebhook, last("service-account-signing-key-file")} {
		add(plain, plainFile, "")
	}
	if c.AuditLog != "-" {
		add(c.AuditLog, plainFile, "")
	}
}

// encryption reads an EncryptionConfiguration. Of its keys only what they are like is kept.
func (r *reader) encryption(s start, name string) *facts.EncryptionFile {
	e := &facts.EncryptionFile{Path: name, File: r.file(s, name, plainFile, "")}
	text, err := r.contentOf(s, name)
	if err != nil {
		e.Err = err.Error()
		r.missing(name, reason(err), doFor(err))
	} else {
		defer clear(text)
		e.Hash = fmt.Sprintf("sha256:%x", sha256.Sum256(text))
		if e.Config, err = encryptionconfig.ParseWithKeys(text, r.keyOpener(e.File.At, e.File.Path)); err != nil {
			e.Err = err.Error()
		}
	}
	if m := r.opts.Metrics; m != nil {
		e.InForce, e.Failures, e.NoMetrics = m.Hash, m.Failures, m.Missing
	} else if e.NoMetrics = r.opts.NoMetrics; e.NoMetrics == "" {
		e.NoMetrics = "its metrics were not given (--kubeconfig, or --apiserver-metrics FILE)"
	}
	return e
}

// sockets inspects the sockets of the KMS providers.
func (r *reader) sockets(s start, a *facts.APIServer) {
	if a.Encryption.Config == nil {
		return
	}
	for _, resource := range a.Encryption.Config.Rules() {
		for _, p := range resource.Providers {
			endpoint := p.Endpoint
			file, ok := strings.CutPrefix(endpoint, "unix://")
			if !ok {
				continue
			}
			socket := facts.Socket{Endpoint: endpoint}
			if strings.HasPrefix(file, "@") { // abstract: it has no file and no permissions
				a.Sockets[endpoint] = socket
				continue
			}
			tree, in, err := r.place(s, file)
			if host, ok := s.onHost(file); s.pod && ok {
				tree, in, err = r.tree, host, nil // the way in the container begins at its mount
			}
			if err != nil {
				socket.Err = err.Error()
			} else {
				socket.Path, socket.Way, socket.Dir = tree.Stat(in).Path, tree.Way(in), path.Dir(in)
			}
			a.Sockets[endpoint] = socket
		}
	}
}

func (r *reader) audit(s start, name string) *facts.AuditPolicy {
	p := &facts.AuditPolicy{Path: name}
	var levels []auditpolicy.Finding
	p.Err = r.parsed(s, name, func(text []byte) (err error) {
		levels, err = auditpolicy.Secrets(text)
		return err
	})
	for _, l := range levels {
		p.Levels = append(p.Levels, facts.AuditLevel{Verbs: strings.Join(l.Verbs, ", "), Level: string(l.Level), Rule: l.Rule})
	}
	return p
}

// access reads the files that say who may do what.
func (r *reader) access(s start, a *facts.APIServer) {
	if name := a.Config.AuthorizationConfig; name != "" {
		a.Authorization = &facts.AuthorizationFile{Path: name}
		a.Authorization.Err = r.parsed(s, name, func(text []byte) (err error) {
			a.Authorization.Types, err = access.Authorizers(text)
			return err
		})
	}
	if name := a.Config.AuthenticationConfig; name != "" {
		a.Authentication = &facts.AuthenticationFile{Path: name}
		a.Authentication.Err = r.parsed(s, name, func(text []byte) error {
			found, err := access.AnonymousIn(text)
			if found != nil {
				a.Authentication.Anonymous = &facts.Anonymous{Enabled: found.Enabled, Paths: found.Paths}
			}
			return err
		})
	}
}

// parsed reads a file that an API server names, and returns why that failed.
func (r *reader) parsed(s start, name string, parse func(text []byte) error) string {
	text, err := r.contentOf(s, name)
	if err != nil {
		r.missing(name, reason(err), doFor(err))
		return reason(err)
	}
	if err := parse(text); err != nil {
		return err.Error()
	}
	return ""
}
