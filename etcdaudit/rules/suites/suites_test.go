package suites_test

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/rules/suites"
)

// Go has the registry's names too, for the suites that it implements.
func TestNamesAreThoseOfGo(t *testing.T) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if name := suites.Names([]uint16{s.ID}); name[0] != s.Name {
			t.Errorf("%04x is %q, in Go %q", s.ID, name[0], s.Name)
		}
	}
	if name := suites.Names([]uint16{0xfefe}); name[0] != "0xFEFE" {
		t.Error(name)
	}
}

func TestWhatASuiteIsWorth(t *testing.T) {
	for name, want := range map[string]struct {
		weak    string
		forward bool
	}{
		"TLS_AES_128_GCM_SHA256":                  {"", true},
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":   {"", true},
		"TLS_DHE_RSA_WITH_AES_256_CBC_SHA":        {"", true},
		"TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA":     {"", false},
		"TLS_RSA_WITH_AES_128_GCM_SHA256":         {"", false},
		"TLS_RSA_WITH_3DES_EDE_CBC_SHA":           {"has blocks of 64 bits", false},
		"TLS_RSA_WITH_DES_CBC_SHA":                {"is DES", false},
		"TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA":   {"has a key of 40 or 56 bits", true},
		"TLS_ECDH_anon_WITH_AES_128_CBC_SHA":      {"does not authenticate the server", false},
		"TLS_RSA_WITH_NULL_SHA256":                {"does not encrypt", false},
		"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA":        {"is RC4", true},
		"0xFEFE":                                  {"", false},
		"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": {"", true},
	} {
		if suites.Weak(name) != want.weak || suites.Forward(name) != want.forward {
			t.Errorf("%s: %q, forward secrecy %t", name, suites.Weak(name), suites.Forward(name))
		}
	}
}
