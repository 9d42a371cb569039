// Package suites says what the cipher suites of TLS are worth, by their names.
package suites

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// registry has one suite a line, its number in hexadecimal and its name in IANA's registry
// "TLS Cipher Suites".
//
//go:embed suites.txt
var registry string

// Names returns the names of these suites, "0xABCD" for one that the registry did not have.
func Names(ids []uint16) []string {
	known := map[uint16]string{}
	for line := range strings.Lines(registry) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(id, 16, 16); err == nil {
			known[uint16(n)] = name
		}
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = known[id]
		if names[i] == "" {
			names[i] = fmt.Sprintf("0x%04X", id)
		}
	}
	return names
}

// Weak is why a suite is weak; empty if it is not (RFC 9325, 4.1 and 4.2; RFC 7465).
func Weak(name string) string {
	for _, w := range []struct{ part, why string }{
		{"_NULL_", "does not encrypt"},
		{"_anon_", "does not authenticate the server"},
		{"_EXPORT", "has a key of 40 or 56 bits"},
		{"RC4", "is RC4"},
		{"_RC2_", "is RC2"},
		{"3DES", "has blocks of 64 bits"},
		{"_DES", "is DES"},
		{"IDEA", "has blocks of 64 bits"},
		{"_MD5", "authenticates with MD5"},
	} {
		if strings.Contains(name, w.part) {
			return w.why
		}
	}
	return ""
}

// Forward reports whether the key exchange has forward secrecy: before TLS 1.3 only that
// with ephemeral keys has. The names of TLS 1.3 name no key exchange.
func Forward(name string) bool {
	return strings.HasPrefix(name, "TLS_ECDHE_") || strings.HasPrefix(name, "TLS_DHE_") || strings.HasPrefix(name, "TLS_") && !strings.Contains(name, "_WITH_")
}
