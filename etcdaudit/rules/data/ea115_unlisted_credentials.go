package data

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func unlistedCredentials() rule {
	return rule{
		ID: "EA-115", Title: "Other resources that hold credentials are encrypted", Severity: check.Medium,
		Why:   "Secrets are not all: tokens, private keys and passwords are also kept in resources that an EncryptionConfiguration has to name itself",
		Reads: "every value of the resources that are documented to hold credentials, by its first bytes, beside what the EncryptionConfiguration says of them where there is one",
		Needs: needs{need.Keys},
		Run:   unlisted(credentials()),
	}
}
