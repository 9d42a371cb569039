package facts

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
)

// Certificates are some certificates. In JSON each is its DER form, in base64.
type Certificates []*x509.Certificate

// MarshalJSON returns the DER forms.
func (c Certificates) MarshalJSON() ([]byte, error) {
	if c == nil {
		return []byte("null"), nil
	}
	ders := make([][]byte, len(c))
	for i, one := range c {
		ders[i] = one.Raw
	}
	return json.Marshal(ders)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (c *Certificates) UnmarshalJSON(data []byte) error {
	var ders [][]byte
	if err := json.Unmarshal(data, &ders); err != nil {
		return fmt.Errorf("read certificates: %w", err)
	}
	if ders == nil {
		*c = nil
		return nil
	}
	*c = make(Certificates, len(ders))
	for i, der := range ders {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("read certificate %d: %w", i+1, err)
		}
		(*c)[i] = one
	}
	return nil
}

// certificateJSON is a Certificate as it stands in JSON.
type certificateJSON struct {
	File           string
	DER            Certificates
	HasKey, Inline bool
}

// MarshalJSON returns the certificate in its DER form, with what is known of it.
func (c Certificate) MarshalJSON() ([]byte, error) {
	return json.Marshal(certificateJSON{File: c.File, DER: Certificates{c.Certificate}, HasKey: c.HasKey, Inline: c.Inline})
}

// UnmarshalJSON reads what MarshalJSON has written.
func (c *Certificate) UnmarshalJSON(data []byte) error {
	var stored certificateJSON
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&stored); err != nil {
		return fmt.Errorf("read a certificate of the host: %w", err)
	}
	if len(stored.DER) != 1 {
		return fmt.Errorf("read a certificate of the host: %.200q has %d in the place of one", stored.File, len(stored.DER))
	}
	*c = Certificate{File: stored.File, Certificate: stored.DER[0], HasKey: stored.HasKey, Inline: stored.Inline}
	return nil
}
