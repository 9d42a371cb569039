package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestUnlistedOthers(t *testing.T) {
	stored.Run(t, "EA-116",
		stored.Case{Name: "requests for certificates", Values: stored.Values{"certificatesigningrequests/csr-1": stored.Plaintext}, Status: check.Warn, Count: 1, Says: "certificatesigningrequests.certificates.k8s.io (1 of 1)"},
		stored.Case{Name: "what always holds credentials is EA-115's", Values: stored.Values{"management.cattle.io/tokens/a": "{}"}, Status: check.Pass, Says: "is stored"},
	)
}
