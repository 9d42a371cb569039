// Package files holds the rules about files and their rights, EA-5xx, one a file.
package files

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

// Rules returns the rules in the order of their ids.
func Rules() []check.Rule[facts.Facts] {
	return []check.Rule[facts.Facts]{
		dataDirectory(),
		privateKeys(),
		notWritten(),
		directories(),
		secretsClosed(),
		strongKeys(),
		diskEncryption(),
		recentSnapshot(),
		secretsInWords(),
		masters(),
	}
}
