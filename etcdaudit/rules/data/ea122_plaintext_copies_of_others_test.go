package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestPlaintextCopiesOfOtherResources(t *testing.T) {
	config := stored.Entry("secrets, configmaps", stored.KMS("v2", "p"))
	values := stored.Values{"secrets/default/a": stored.Plaintext, "configmaps/default/a": stored.Plaintext, "pods/default/a": stored.Plaintext}
	stored.Run(t, "EA-122",
		stored.Case{Name: "what the configuration encrypts", Layer: record.History, Config: config, Values: values, Status: check.Fail, Count: 1, Says: "configmaps (1 of 1)"},
		stored.Case{Name: "what it does not encrypt", Layer: record.History, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Values: values, Status: check.Pass, Says: "nothing else"},
		stored.Case{Name: "without a configuration", Layer: record.History, Values: values, Status: check.NotApplicable, Says: "no --encryption-provider-config"},
	)
}
