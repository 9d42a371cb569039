// Package config holds the rules about configuration, EA-4xx, one a file.
package config

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
)

// Rules returns the rules in the order of their ids.
func Rules() []check.Rule[facts.Facts] {
	return []check.Rule[facts.Facts]{
		secretsConfigured(),
		kmsV1Configured(),
		ofEtcd(httpsOnly()),
		ofEtcd(clientCertificates()),
		ofEtcd(peers()),
		ofEtcd(noAutoTLS()),
		ofEtcd(nothingWithoutEffect()),
		ofEtcd(wouldStart()),
		ofEtcd(metricsListener()),
		ofEtcd(tlsSettings()),
		ofEtcd(revocationList()),
		ofEtcd(noDebug()),
		ofEtcd(inForce()),
		ofEtcd(listenAddresses()),
		ofAPIServer(etcdOverTLS()),
		ofAPIServer(otherEtcds()),
		ofAPIServer(encryptionConfigured()),
		ofAPIServer(encryptionInForce()),
		ofAPIServer(authorization()),
		ofAPIServer(apiServerTLS()),
		ofAPIServer(anonymous()),
		ofAPIServer(noTokenFile()),
		ofAPIServer(noAuditBodies()),
		ofAPIServer(kmsSocket()),
		ofAPIServer(flagsCount()),
	}
}

// ofFile is the Run of a rule about the EncryptionConfiguration. Its target is the
// file, its evidence the providers of each entry.
func ofFile(run func(*encryptionconfig.Config) check.Result) func(facts.Facts) []check.Result {
	return func(f facts.Facts) []check.Result {
		result := run(f.Encryption)
		store := ""
		if len(f.Stores) > 0 {
			store = f.Stores[0].Scope.Store()
		}
		// The file was given; whose node it is of is not known.
		result.Target, result.Identity = f.EncryptionFile, []string{store, "", f.EncryptionFile}
		for _, r := range f.Encryption.Rules() {
			var providers []string
			for _, p := range r.Providers {
				providers = append(providers, p.String())
			}
			result.Evidence = append(result.Evidence, check.Evidence{Source: f.EncryptionFile, Seen: term.Printable(r.Entry + ": " + strings.Join(providers, ", "))})
		}
		return []check.Result{result}
	}
}
