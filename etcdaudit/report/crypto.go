package report

import (
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// quantum is what is known of an algorithm and a quantum computer. Levels are NIST's security
// categories (1 to 5, FIPS 203 and the call for post-quantum proposals of 2016): 0 for what a
// quantum computer breaks.
type quantum struct {
	level int
	known bool
}

// String is for people and spreadsheets.
func (q quantum) String() string {
	switch {
	case !q.known:
		return ""
	case q.level > 0:
		return "yes"
	default:
		return "no"
	}
}

// quantumOf judges a group of a key exchange, a signature or a public key by its name. All but
// the lattice and hash-based ones rest on factoring or discrete logarithms. Those of a hybrid
// group count by their post-quantum part.
func quantumOf(name string) quantum {
	if name == "" {
		return quantum{}
	}
	upper := strings.ReplaceAll(strings.ToUpper(name), "-", "")
	for _, family := range []struct {
		name  string
		level int
	}{
		{"MLKEM512", 1}, {"MLKEM768", 3}, {"MLKEM1024", 5}, {"KYBER768", 3}, // FIPS 203, and the draft that browsers had
		{"MLDSA44", 2}, {"MLDSA65", 3}, {"MLDSA87", 5}, // FIPS 204
		{"SLHDSASHA2128", 1}, {"SLHDSASHA2192", 3}, {"SLHDSASHA2256", 5}, // FIPS 205
		{"SLHDSASHAKE128", 1}, {"SLHDSASHAKE192", 3}, {"SLHDSASHAKE256", 5},
	} {
		if strings.Contains(upper, family.name) {
			return quantum{level: family.level, known: true}
		}
	}
	for _, classical := range []string{"RSA", "ECDSA", "ED25519", "X25519", "SECP", "X448", "P256", "P384", "P521", "FFDHE", "DSA", "DH"} {
		if strings.Contains(upper, classical) {
			return quantum{known: true}
		}
	}
	return quantum{}
}

// atRest is the algorithm that an API server stores values with. Its key's length is known
// where the provider allows one only: an aesgcm or aescbc key may have 16, 24 or 32 bytes.
type atRest struct {
	algorithm string
	block     bool // whether it is a block cipher that authenticates nothing
	quantum   quantum
}

func atRestOf(format string) atRest {
	strong := quantum{level: 5, known: true} // 256 bits, as category 5 has it
	switch format {
	case "aescbc":
		return atRest{algorithm: "AES-CBC", block: true}
	case "aesgcm":
		return atRest{algorithm: "AES-GCM"}
	case "secretbox":
		return atRest{algorithm: "XSalsa20-Poly1305", quantum: strong}
	case "kms v1":
		return atRest{algorithm: "AES-256-CBC or AES-256-GCM", quantum: strong} // CBC before Kubernetes 1.25
	case "kms v2":
		return atRest{algorithm: "AES-256-GCM", quantum: strong}
	default:
		return atRest{algorithm: format}
	}
}

// secretOf is what a key of an EncryptionConfiguration is for, by its kind: "aescbc, 32 bytes".
// It is false for what is no such key.
func secretOf(kind string) (atRest, bool) {
	provider, length, ok := strings.Cut(kind, ", ")
	if !ok || !strings.HasSuffix(length, " bytes") {
		return atRest{}, false
	}
	key := atRestOf(provider)
	// FIPS 197's three lengths are what NIST's categories 1, 3 and 5 are measured by.
	level := map[string]int{"16 bytes": 1, "24 bytes": 3, "32 bytes": 5}[length]
	bits := map[int]string{1: "128", 3: "192", 5: "256"}[level]
	if mode, aes := strings.CutPrefix(key.algorithm, "AES-"); aes && level > 0 {
		key.algorithm, key.quantum = "AES-"+bits+"-"+mode, quantum{level: level, known: true}
	}
	return key, true
}

// offered is whether an address offers a post-quantum key exchange, and by which groups.
func offered(l *auditv1.Listener) (readiness string, groups []string) {
	for _, g := range l.Groups {
		if quantumOf(g).level > 0 {
			groups = append(groups, g)
		}
	}
	switch {
	case len(groups) > 0:
		return "offered", groups
	case l.Enumerated && len(l.Groups) > 0:
		return "not offered", nil
	default: // what did not come up may still be there
		return "not known", nil
	}
}

// suitesOf are the suites of an address that belong to a version of TLS: 1.3 has its own.
func suitesOf(l *auditv1.Listener, version string) (suites []string) {
	for _, s := range l.CipherSuites {
		own := strings.HasPrefix(s, "TLS_AES_") || strings.HasPrefix(s, "TLS_CHACHA20_") || strings.HasPrefix(s, "TLS_SM4_")
		if own == (version == "TLS 1.3") {
			suites = append(suites, s)
		}
	}
	return suites
}
