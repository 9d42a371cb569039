package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestUnknownEncryption(t *testing.T) {
	stored.Run(t, "EA-103",
		stored.Case{Name: "an unknown provider is a warning", Values: stored.Values{"secrets/default/a": stored.Unknown}, Status: check.Warn, Count: 1, Says: "not known"},
		stored.Case{Name: "known providers pass", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Status: check.Pass, Says: "known provider"},
	)
}
