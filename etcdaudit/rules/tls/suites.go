package tls

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// registry has one suite a line, its number in hexadecimal and its name in IANA's registry
// "TLS Cipher Suites".
//
//go:embed suites.txt
var registry string

// suite is one cipher suite that an address serves.
type suite struct {
	id   uint16
	name string // "0xABCD" for one that the registry did not have
}

// suites returns all suites that are served in any version, in the order of their numbers.
func suites(s *facts.Served) (all []suite) {
	names := map[uint16]string{}
	for line := range strings.Lines(registry) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(id, 16, 16); err == nil {
			names[uint16(n)] = name
		}
	}
	served := map[uint16]bool{}
	for _, ids := range s.Suites {
		for _, id := range ids {
			served[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(served)) {
		all = append(all, suite{id, cmp.Or(names[id], fmt.Sprintf("0x%04X", id))})
	}
	return all
}

// weak is why a suite is weak; empty if it is not (RFC 9325, 4.1 and 4.2; RFC 7465).
func (s suite) weak() string {
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
		if strings.Contains(s.name, w.part) {
			return w.why
		}
	}
	return ""
}

// forward reports whether the key exchange has forward secrecy: each of TLS 1.3 has, in
// which a suite does not name one, and before it those with ephemeral keys.
func (s suite) forward() bool {
	return strings.HasPrefix(s.name, "TLS_ECDHE_") || strings.HasPrefix(s.name, "TLS_DHE_") || s.id>>8 == 0x13
}

func list(all []suite, say func(suite) string) string {
	var names []string
	for _, s := range all {
		names = append(names, say(s))
	}
	return strings.Join(names, ", ")
}

// version is the name of a version of TLS.
func version(v uint16) string {
	if v == 0x0300 {
		return "SSL 3.0"
	}
	return fmt.Sprintf("TLS 1.%d", int(v)-0x0301)
}
