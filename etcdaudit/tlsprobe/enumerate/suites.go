package enumerate

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
)

// offer is what is offered of one version.
type offer struct {
	version uint16
	suites  []uint16
}

func offers() []offer {
	return []offer{
		{tls.VersionTLS10, oldSuites()}, {tls.VersionTLS11, oldSuites()},
		{tls.VersionTLS12, append(aeadSuites(), oldSuites()...)}, {tls.VersionTLS13, newSuites()},
	}
}

// AtMost is how many connections Run makes to a server that accepts everything.
func AtMost() (n int) {
	for _, o := range offers() {
		n += len(o.suites)
	}
	return n + len(allGroups())
}

// Groups is how many groups of the key exchange are offered.
func Groups() int { return len(allGroups()) }

func allGroups() []tls.CurveID {
	return []tls.CurveID{
		tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024,
		tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521,
	}
}

// hybrid reports whether a group is post-quantum: TLS 1.3 only has those.
func hybrid(g tls.CurveID) bool { return g >= tls.SecP256r1MLKEM768 && g <= tls.SecP384r1MLKEM1024 }

// newSuites are those of TLS 1.3 (RFC 8446, appendix B.4).
func newSuites() []uint16 { return numbers(0x1301, 0x1305) }

// oldSuites are those that all versions up to TLS 1.2 can use, in IANA's registry. Those
// that need a shared secret are left out.
func oldSuites() (all []uint16) {
	all = append(all, numbers(0x0001, 0x001b)...) // RSA, DH, DHE, anonymous; export, RC4, DES, 3DES
	all = append(all, numbers(0x002f, 0x003a)...) // AES-CBC
	all = append(all, numbers(0x0041, 0x0046)...) // Camellia
	all = append(all, numbers(0x0084, 0x0089)...) // Camellia 256
	all = append(all, numbers(0x0096, 0x009b)...) // SEED
	all = append(all, numbers(0xc001, 0xc019)...) // ECDH and ECDHE with CBC, RC4, NULL
	return all
}

// aeadSuites are those that need TLS 1.2.
func aeadSuites() (all []uint16) {
	all = append(all, 0x003b, 0x003c, 0x003d, 0x003e, 0x003f, 0x0040) // CBC with SHA-256
	all = append(all, numbers(0x0067, 0x006d)...)
	all = append(all, numbers(0x009c, 0x00a7)...)  // GCM
	all = append(all, numbers(0x00ba, 0x00c5)...)  // Camellia with SHA-256
	all = append(all, numbers(0xc023, 0xc032)...)  // ECDHE and ECDH with SHA-2 and GCM
	all = append(all, numbers(0xc072, 0xc079)...)  // ECDHE with Camellia
	all = append(all, numbers(0xc09c, 0xc0a3)...)  // CCM
	all = append(all, numbers(0xc0ac, 0xc0af)...)  // ECDHE-ECDSA with CCM
	all = append(all, 0xcca8, 0xcca9, 0xccaa)      // ChaCha20-Poly1305
	return append(all, numbers(0xc03c, 0xc051)...) // ARIA
}

func numbers(from, to uint16) (all []uint16) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

// ephemeralSuites are what crypto/tls knows of suites with a group: TLS 1.2 servers that
// are offered others may choose RSA's key exchange, which has none.
func ephemeralSuites() (all []uint16) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.ID >= 0xc000 {
			all = append(all, s.ID)
		}
	}
	return all
}

// refused reports whether a handshake ended with an alert of the server. crypto/tls and
// zcrypto wrap it alike.
func refused(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// silent reports whether the server did not answer in time.
func silent(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
