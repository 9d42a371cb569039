package hostconfig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"math"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// foundKey is a key with its public half, which is nil for a symmetric one.
type foundKey struct {
	facts.Key
	public crypto.PublicKey
}

// privateKeys keeps what is to be said of the private keys in PEM text. It reports whether
// there are any. A file is searched once, whatever names it.
func (r *reader) privateKeys(file string, rights hostfacts.Path, text []byte) (found bool) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !isKey(block) {
			continue
		}
		found = true
		key := foundKey{Key: facts.Key{File: file, Rights: rights, FingerprintKey: r.opts.Fingerprints.Name()}}
		if encryptedKey(block) {
			key.Encrypted = true
		} else if key.public = publicHalf(block.Bytes); key.public != nil {
			key.Kind, key.Weakness = facts.PublicKeyName(key.public), weakness(key.public)
			key.HMAC, _ = r.opts.Fingerprints.OfPublic(key.public)
		}
		clear(block.Bytes)
		if !slices.ContainsFunc(r.keys, func(k foundKey) bool { return k.File == file && k.HMAC == key.HMAC && k.Encrypted == key.Encrypted }) {
			r.keys = append(r.keys, key)
		}
	}
	return found
}

// weakness says why a private key can be computed from its public half.
func weakness(public crypto.PublicKey) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 {
			return fmt.Sprintf("%d bits are too few for RSA: 2048 at least", bits)
		}
	case *ecdsa.PublicKey:
		if bits := key.Curve.Params().BitSize; bits < 256 {
			return fmt.Sprintf("a curve of %d bits is too small: 256 at least", bits)
		}
	}
	return ""
}

// encryptionKey keeps what is to be said of one key of an EncryptionConfiguration.
func (r *reader) encryptionKey(file string, rights hostfacts.Path, kind, name string, secret []byte) {
	weakness, doubt := guessable(secret)
	key := foundKey{Key: facts.Key{
		File: file, Name: kind + " " + name, Kind: fmt.Sprintf("%s, %d bytes", kind, len(secret)), Rights: rights,
		HMAC: r.opts.Fingerprints.Of(secret), FingerprintKey: r.opts.Fingerprints.Name(), Weakness: weakness, Doubt: doubt,
	}}
	// The same provider may stand in several entries, and several API servers may have one file.
	if !slices.ContainsFunc(r.keys, func(k foundKey) bool { return k.File == file && k.Name == key.Name && k.HMAC == key.HMAC }) {
		r.keys = append(r.keys, key)
	}
}

// keyOpener is encryptionKey as a parser calls it. It tries no key.
func (r *reader) keyOpener(file string, rights hostfacts.Path) encryptionconfig.NewOpener {
	return func(kind, name string, secret []byte) encryptionconfig.Opener {
		r.encryptionKey(file, rights, kind, name, secret)
		return func([]byte, []byte) encryptionconfig.Trial { return encryptionconfig.Untried }
	}
}

// enough is how many bits of chance a key needs so that it is not found by trying.
const enough = 128

// guessable says why a symmetric key was not made at random: weakness where it can be found by
// trying, doubt where it has enough bits of chance if each character of it was drawn at random. Of
// random keys of 16 bytes one in 4.7 million consists of characters that are on a keyboard.
func guessable(secret []byte) (weakness, doubt string) {
	text := bytes.TrimRight(secret, "\r\n")
	within := func(alphabet string) bool { return len(bytes.Trim(text, alphabet)) == 0 }
	switch {
	case len(text) == 0:
		return "", ""
	case bytes.Count(secret, secret[:1]) == len(secret):
		return "all its bytes are equal", ""
	case within("0123456789abcdef"), within("0123456789ABCDEF"):
		return chance(len(text)*4, "its bytes are hexadecimal digits")
	case !slices.ContainsFunc(text, func(b byte) bool { return (b < ' ' || b > '~') && b != '\n' && b != '\r' && b != '\t' }):
		const characters = '~' - ' ' + 1 + 3
		return chance(int(float64(len(text))*math.Log2(characters)), "its bytes are characters of a text: it was typed or copied, and not made at random")
	}
	return "", ""
}

func chance(bits int, why string) (weakness, doubt string) {
	why = fmt.Sprintf("%s (%d bits of chance at most)", why, bits)
	if bits < enough {
		return why, ""
	}
	return "", why
}

// finishKeys says which certificates the keys belong to, and puts both into the facts.
func (r *reader) finishKeys(certificates []facts.Certificate) {
	for i := range certificates {
		c := &certificates[i]
		for j := range r.keys {
			k := &r.keys[j]
			if k.public == nil || !samePublicKey(k.public, c.PublicKey) {
				continue
			}
			c.HasKey = true
			if hash := facts.CertificateHash(c.Certificate); !slices.Contains(k.Certificates, hash) {
				k.Certificates = append(k.Certificates, hash)
			}
		}
	}
	for _, k := range r.keys {
		slices.Sort(k.Certificates)
		r.host.Keys = append(r.host.Keys, k.Key)
	}
}
