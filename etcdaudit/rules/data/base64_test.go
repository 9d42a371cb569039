package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/rules/data"
)

// Guides call base64 encryption.
func TestPlaintextFindingsSayThatBase64IsNoEncryption(t *testing.T) {
	said := 0
	for _, r := range data.Rules() {
		plaintext := r.ID == "EA-101" || r.ID == "EA-105" || r.ID == "EA-111"
		if strings.Contains(r.Why, "base64") != plaintext {
			t.Errorf("%s: %s", r.ID, r.Why)
		}
		if plaintext {
			said++
		}
	}
	if said != 3 {
		t.Errorf("%d rules about plaintext", said)
	}
}
