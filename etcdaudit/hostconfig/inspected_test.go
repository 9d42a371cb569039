package hostconfig

import (
	"encoding/pem"
	"testing"

	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestOnlyWhatHoldsNothingButCertificatesIsHashed(t *testing.T) {
	block := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	certificate := block("CERTIFICATE", controlplane.NewAuthority(t, "ca").Cert.Raw)
	for name, tt := range map[string]struct {
		content string
		hashed  bool
	}{
		"a certificate":          {certificate, true},
		"two":                    {certificate + certificate, true},
		"with a revocation list": {certificate + block("X509 CRL", []byte("list")), true},
		"with a key":             {certificate + block("EC PRIVATE KEY", []byte("key")), false},
		"with a comment":         {"# password: x\n" + certificate, false},
		"with a comment behind":  {certificate + "password: x\n", false},
		"with a header":          {string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Headers: map[string]string{"Note": "x"}, Bytes: []byte("c")})), false},
		"YAML":                   {"token: x\n", false},
		"nothing":                {"", false},
	} {
		if f := inspected("/f", hostfacts.Opened{}, []byte(tt.content)); f.Hash != "" != tt.hashed || f.Bytes != int64(len(tt.content)) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
