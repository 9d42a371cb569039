package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// servedIsValid: does openssl verify what is served, with etcd's CA and the address?
func servedIsValid(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if o, said, err := l.noTLS(ctx); o != 0 || err != nil {
		return o, said, err
	}
	for _, address := range l.clientAddresses() {
		options := append(l.own(), "-CAfile", l.file("ca.crt"), "-verify_return_error")
		if network(address) == "tcp" {
			options = append(options, "-verify_ip", "127.0.0.1")
		}
		got := l.openssl(ctx, address, options...)
		if got.err != nil {
			return 0, "", got.err
		}
		if got.let {
			continue
		}
		if hello := l.openssl(ctx, address, l.own()...); hello.let || hello.err != nil {
			return bad, "openssl does not verify what " + address + " serves", hello.err
		}
	}
	return good, "openssl verifies it", nil
}

// selfSigned: is the issuer of what is served its own subject?
func selfSigned(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	return l.servesSelfSigned(ctx, append(l.clientAddresses(), l.vars["peer"])...)
}

// autoTLS is the same of client's addresses alone: no case with auto-tls is given a
// certificate that is signed by its own key.
func autoTLS(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	return l.servesSelfSigned(ctx, l.clientAddresses()...)
}

func (l *liveEtcd) servesSelfSigned(ctx context.Context, addresses ...string) (opinion, string, error) {
	if o, said, err := l.noTLS(ctx); o == unclear || err != nil {
		return o, said, err
	}
	seen := false
	for _, address := range addresses {
		got := l.openssl(ctx, address)
		subject, issuer := line(got.said, "subject="), line(got.said, "issuer=")
		switch {
		case got.err != nil:
			return 0, "", got.err
		case subject == "":
			continue
		case subject == issuer:
			return bad, fmt.Sprintf("openssl: subject and issuer are %s", subject), nil
		}
		seen = true
	}
	if !seen {
		return absent, "openssl is served no certificate", nil
	}
	return good, "openssl: subject and issuer differ", nil
}

// line returns the rest of the line that begins with a prefix.
func line(text, prefix string) string {
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

var publicKey = regexp.MustCompile(`a:PKEY: (\S+), (\d+) \(bits?\)`)

// keyStrength: how large is the key of the served certificate? RSA needs 2048 bits, and elliptic
// curves 256 (NIST SP 800-57).
func keyStrength(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if o, said, err := l.noTLS(ctx); o != 0 || err != nil {
		return o, said, err
	}
	got, err := l.handshake(ctx, "-showcerts")
	if err != nil {
		return 0, "", err
	}
	m := publicKey.FindStringSubmatch(got.said)
	if m == nil {
		return 0, "", fmt.Errorf("openssl names no key: %s", got.said)
	}
	bits, err := strconv.Atoi(m[2])
	if err != nil {
		return 0, "", err
	}
	said := fmt.Sprintf("openssl: a key of %s with %d bits", m[1], bits)
	if strings.HasPrefix(strings.ToLower(m[1]), "rsa") && bits < 2048 || bits < 256 {
		return bad, said, nil
	}
	return good, said, nil
}

// keyUsages: may the served certificate be that of a server, and of a client? etcd is both.
func keyUsages(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if o, said, err := l.noTLS(ctx); o != 0 || err != nil {
		return o, said, err
	}
	got, err := l.handshake(ctx)
	if err != nil {
		return 0, "", err
	}
	purposes, _, err := run(ctx, got.said, "openssl", "x509", "-noout", "-purpose")
	if err != nil {
		return 0, "", err
	}
	for _, purpose := range []string{"SSL server : Yes", "SSL client : Yes"} {
		if !strings.Contains(purposes, purpose) {
			return bad, "openssl does not say " + purpose, nil
		}
	}
	return good, "openssl: for servers and for clients", nil
}

// caOfItsOwn: is a kubelet, or a user of the API server on the same node, accepted?
func caOfItsOwn(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	others := map[string]string{"kubernetes-ca": "kubernetes-apiserver", "ca": "apiserver", "": ""}
	for _, identity := range []string{"kubelet", others[l.Etcd.Users]} {
		if _, err := os.Stat(l.file(identity + ".crt")); identity == "" || err != nil {
			continue // no such certificate is on the node
		}
		got, err := l.as(ctx, identity)
		if got.let || err != nil {
			return bad, fmt.Sprintf("as %q %s", identity, got.said), err
		}
	}
	if l.Etcd.Users == "" {
		return unclear, "no API server is on the node, and so no user's certificate is known", nil
	}
	return l.refuses(ctx, others[l.Etcd.Users])
}

// servedAndTrusted: is the served certificate on disk, and is the CA on disk the one whose
// certificates are accepted?
func servedAndTrusted(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if o, said, err := l.noTLS(ctx); o != 0 || err != nil {
		return o, said, err
	}
	got, err := l.handshake(ctx)
	if err != nil {
		return 0, "", err
	}
	served, _, err := run(ctx, got.said, "openssl", "x509", "-outform", "PEM")
	if err != nil {
		return 0, "", err
	}
	files, err := filepath.Glob(l.file("*.crt"))
	if err != nil {
		return 0, "", err
	}
	onDisk := ""
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // of the case
		if err != nil {
			return 0, "", err
		}
		if strings.TrimSpace(string(text)) == strings.TrimSpace(served) {
			onDisk = filepath.Base(file)
		}
	}
	switch {
	case onDisk == "" && line(got.said, "subject=") == line(got.said, "issuer="):
		return absent, "openssl is served a certificate of etcd's own making, which is in no file", nil
	case onDisk == "":
		return bad, "openssl is served a certificate that is in no file", nil
	}
	return trustedIsOnDisk(ctx, l)
}

// trustedIsOnDisk: is the certificate that etcd accepts one of the CA that is in ca.crt now?
func trustedIsOnDisk(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	control, err := l.as(ctx, l.control())
	if err != nil || !control.let {
		return unclear, "the right certificate is refused: " + control.said, err
	}
	out, code, err := run(ctx, "", "openssl", "verify", "-purpose", "sslclient", "-CAfile", l.file("ca.crt"), l.file(l.control()+".crt"))
	switch {
	case err != nil:
		return 0, "", err
	case code != 0:
		return bad, "etcd accepts a certificate that openssl does not verify with the CA on disk: " + strings.TrimSpace(out), nil
	}
	return good, "etcd accepts a certificate that openssl verifies with the CA on disk", nil
}
