package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestEncryptedUnconfigured(t *testing.T) {
	stored.Run(t, "EA-113",
		stored.Case{Name: "encrypted while identity stands first", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Config: stored.Entry("secrets", stored.Identity, stored.KMS("v2", "p")), Status: check.Warn, Count: 1, Says: "secrets (1 of 1)"},
		stored.Case{Name: "encrypted as configured", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Config: stored.Entry("secrets", stored.KMS("v2", "p"), stored.Identity), Status: check.Pass, Says: "no plaintext over"},
		malformedIsNotJudged(),
	)
}
