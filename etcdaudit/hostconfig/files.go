package hostconfig

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// role is what a file is to be.
type role uint8

// The roles of files.
const (
	plainFile role = iota
	certificateFile
	keyFile
	caFile
	crlFile
)

// place returns the tree in which a program's path is found, and the path in it.
func (r *reader) place(s start, name string) (tree hostfacts.Tree, in string, err error) {
	name = s.absolute(name)
	if s.process != nil && !s.process.SameRoot {
		return r.procs.RootOf(s.process.PID), name, nil
	}
	host, ok := s.onHost(name)
	if !ok {
		return r.tree, "", fmt.Errorf("%s is in the container's image, not on the host", name)
	}
	return r.tree, host, nil
}

// contentOf reads a file that a program names.
func (r *reader) contentOf(s start, name string) ([]byte, error) {
	tree, in, err := r.place(s, name)
	if err != nil {
		return nil, err
	}
	data, o, err := tree.ReadFile(in, longestText)
	if err == nil {
		name := shown(tree, in)
		r.read[name] = true
		r.inspected[name] = inspected(name, o, data)
	}
	return data, err
}

// shown is how a file in a tree is called: paths below the root of the host stand alone.
func shown(tree hostfacts.Tree, in string) string {
	if tree.Root == "/" || len(tree.Root) < 6 || tree.Root[:6] != "/proc/" {
		return in
	}
	return tree.Root + in
}

// file inspects a file that a program names. certificate is the file of the one that a key
// is to belong to.
func (r *reader) file(s start, name string, as role, certificate string) (f facts.File) {
	tree, in, err := r.place(s, name)
	if err != nil {
		f.Err = err.Error()
		return f
	}
	o := tree.Stat(in)
	f.Path, f.ModTime, f.Changed, f.At = o.Path, o.ModTime, o.Changed, shown(tree, in)
	if host, ok := s.onHost(s.absolute(name)); ok && s.pod {
		f.At = host
	}
	if o.Err != "" {
		r.missing(f.At, o.Err, "run as root")
	}
	if !f.Exists || as == plainFile {
		return f
	}
	text, err := r.contentOf(s, name)
	if err != nil {
		f.ReadErr = reason(err)
		f.ContentErr = f.ReadErr
		if errors.Is(err, fs.ErrPermission) {
			r.missing(f.At, "permission denied", "run as root")
		}
		return f
	}
	defer clear(text)
	switch as {
	case certificateFile, caFile:
		f.Certificates = hostfacts.Certificates(text)
		f.ContentErr = certificateErr(text, f.Certificates)
	case keyFile:
		r.privateKeys(r.realName(tree, in), f.Path, text)
		f.ContentErr = keyErr(text, r.leafOf(s, certificate))
	case crlFile:
		readCRL(&f, text)
	}
	return f
}

// leafOf returns the first certificate of a file that a program names, nil if there is none.
func (r *reader) leafOf(s start, name string) *x509.Certificate {
	if name == "" {
		return nil
	}
	text, err := r.contentOf(s, name)
	if err != nil {
		return nil
	}
	if certificates := hostfacts.Certificates(text); len(certificates) > 0 {
		return certificates[0]
	}
	return nil
}

// certificateErr says why a file is not one of certificates.
func certificateErr(text []byte, found []*x509.Certificate) string {
	block, _ := pem.Decode(text)
	switch {
	case len(found) > 0:
		return ""
	case len(bytes.TrimSpace(text)) == 0:
		return "it is empty"
	case block == nil:
		return "not PEM"
	case isKey(block):
		return "a private key is in the place of a certificate"
	}
	return "no certificate in it that can be read"
}

func encryptedKey(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != ""
}

// realName is how a file is called that several links may lead to.
func (r *reader) realName(tree hostfacts.Tree, in string) string {
	if resolved, err := tree.Resolve(in); err == nil {
		in = resolved
	}
	return shown(tree, in)
}

func isKey(block *pem.Block) bool { return bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")) }

// keyErr says why a file is not the private key of a certificate. leaf may be nil.
func keyErr(text []byte, leaf *x509.Certificate) string {
	block, public := keyIn(text)
	first, _ := pem.Decode(text)
	if first != nil {
		clear(first.Bytes)
	}
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return "it is empty"
	case first == nil:
		return "not PEM"
	case block == nil && first.Type == "CERTIFICATE":
		return "a certificate is in the place of the key"
	case block == nil:
		return "no private key in it"
	case encryptedKey(block):
		return "the key is encrypted"
	case public == nil:
		return "the key cannot be read"
	case leaf != nil && !samePublicKey(public, leaf.PublicKey):
		return "the key is of another certificate"
	}
	return ""
}

// keyIn returns the first private key of a PEM file without its content, and its public
// half, nil if it cannot be read.
func keyIn(text []byte) (block *pem.Block, public crypto.PublicKey) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !isKey(block) {
			continue
		}
		public = publicHalf(block.Bytes)
		clear(block.Bytes)
		return block, public
	}
	return nil, nil
}

// publicHalf parses a key in the forms that crypto/tls.X509KeyPair takes.
func publicHalf(der []byte) crypto.PublicKey {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key.Public()
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key.Public()
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if signer, ok := key.(crypto.Signer); err == nil && ok {
		return signer.Public()
	}
	return nil
}

func samePublicKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// readCRL reads a revocation list in PEM or DER.
func readCRL(f *facts.File, text []byte) {
	der := text
	f.CRL = "DER"
	if block, _ := pem.Decode(text); block != nil {
		f.CRL, der = "PEM", block.Bytes
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		f.CRL = ""
		f.ContentErr = "not a revocation list"
		return
	}
	f.Revoked, f.NextUpdate = len(list.RevokedCertificateEntries), list.NextUpdate
}
