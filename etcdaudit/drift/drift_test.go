package drift_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/stored"
)

// shown is a value of a format that shows a name.
func shown(format storedvalue.Format, name string) storedvalue.Value {
	switch format {
	case storedvalue.AESCBC, storedvalue.AESGCM, storedvalue.Secretbox:
		return storedvalue.Parse([]byte(stored.Keyed(format.String(), name, "")))
	default:
		return storedvalue.Value{Format: format, Name: []byte(name)}
	}
}

func TestAValueIsJudgedByTheOrderOfProvidersAndKeys(t *testing.T) {
	tests := []struct {
		name      string
		providers []string
		format    storedvalue.Format
		key       string
		want      drift.Drift
	}{
		{"the first provider's first key", []string{stored.Keys("aescbc", "a", "b"), stored.Identity}, storedvalue.AESCBC, "a", drift.AsConfigured},
		{"the first provider's second key", []string{stored.Keys("aescbc", "a", "b"), stored.Identity}, storedvalue.AESCBC, "b", drift.StaleKey},
		{"a second provider of the same kind", []string{stored.Keys("aescbc", "a"), stored.Keys("aescbc", "b")}, storedvalue.AESCBC, "b", drift.StaleProvider},
		{"a second provider", []string{stored.KMS("v2", "p"), stored.Keys("aescbc", "a")}, storedvalue.AESCBC, "a", drift.StaleProvider},
		{"a key that is not listed", []string{stored.Keys("aescbc", "a")}, storedvalue.AESCBC, "c", drift.UnreadableName},
		{"the right name of another provider", []string{stored.Keys("aescbc", "a")}, storedvalue.AESGCM, "a", drift.UnreadableName},
		{"kms v1 under a kms v2 provider", []string{stored.KMS("v2", "p")}, storedvalue.KMSv1, "p", drift.UnreadableName},
		{"a kms name with a colon", []string{stored.KMS("v1", "a:b")}, storedvalue.KMSv1, "a:b", drift.AsConfigured},
		{"a kms v1 name that is the beginning of a configured one", []string{stored.KMS("v1", "a:b")}, storedvalue.KMSv1, "a", drift.UnreadableName},
		{"a name with a colon", []string{stored.Keys("aesgcm", "a:b")}, storedvalue.AESGCM, "a:b", drift.AsConfigured},
		{"the second of two names that begin alike", []string{stored.Keys("secretbox", "a:2", "a:1")}, storedvalue.Secretbox, "a:1", drift.StaleKey},
		{"a third name that begins like them", []string{stored.Keys("secretbox", "a:2", "a:1")}, storedvalue.Secretbox, "a:3", drift.UnreadableName},
		{"the beginning of a configured name", []string{stored.Keys("aesgcm", "a:b")}, storedvalue.AESGCM, "a", drift.UnreadableName},
		{"a name that only begins like a configured one", []string{stored.Keys("aesgcm", "a")}, storedvalue.AESGCM, "ab", drift.UnreadableName},
		{"protobuf under an encrypting provider", []string{stored.KMS("v2", "p"), stored.Identity}, storedvalue.Protobuf, "", drift.Plaintext},
		{"plaintext of any kind under an encrypting provider", []string{stored.KMS("v2", "p"), stored.Identity}, storedvalue.Unrecognised, "", drift.Plaintext},
		{"plaintext without identity", []string{stored.KMS("v2", "p")}, storedvalue.Protobuf, "", drift.UnreadablePlaintext},
		{"plaintext with identity between others", []string{stored.KMS("v2", "p"), stored.Identity, stored.Keys("aescbc", "a")}, storedvalue.JSON, "", drift.Plaintext},
		{"JSON under identity", []string{stored.Identity, stored.KMS("v2", "p")}, storedvalue.JSON, "", drift.AsConfigured},
		{"encrypted while identity writes", []string{stored.Identity, stored.KMS("v2", "p")}, storedvalue.KMSv2, "p", drift.EncryptedUnconfigured},
		{"encrypted by a provider that is not listed while identity writes", []string{stored.Identity}, storedvalue.KMSv2, "p", drift.UnreadableName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rule, _ := stored.Config(t, stored.Entry("secrets", tt.providers...)).For(apiresource.Of("secrets"))
			if got := drift.Of(rule, nil, shown(tt.format, tt.key)); got.Drift != tt.want || got.Opened {
				t.Errorf("%q, opened %v; want %q by name", got.Drift, got.Opened, tt.want)
			}
		})
	}
	for format, want := range map[storedvalue.Format]drift.Drift{
		storedvalue.KMSv2: drift.UnreadableName, storedvalue.UnknownEncryption: drift.UnreadableName, storedvalue.Protobuf: drift.AsConfigured,
	} {
		if got := drift.Of(encryptionconfig.Rule{}, nil, shown(format, "p")); got.Drift != want {
			t.Errorf("%v of a resource that is not named: %q", format, got.Drift)
		}
	}
}

// An object behind the prefix of encrypted data is plaintext where new values are encrypted, and
// nothing that identity writes or reads.
func TestAnObjectThatClaimsToBeEncryptedIsNotAsConfigured(t *testing.T) {
	v := storedvalue.Parse([]byte(stored.Claimed()))
	for want, providers := range map[drift.Drift][]string{
		drift.Plaintext: {stored.Keys("aesgcm", "key1")},
		drift.Unjudged:  {stored.Identity, stored.Keys("aesgcm", "key1")},
	} {
		rule, _ := stored.Config(t, stored.Entry("secrets", providers...)).For(apiresource.Of("secrets"))
		if got := drift.Of(rule, nil, v); got.Drift != want {
			t.Errorf("%q: %q", providers, got.Drift)
		}
	}
}

// After a key was replaced under its old name, only trying the keys tells which
// of the two wrote a value. Without them nothing is guessed.
func TestANameThatSeveralKeysHaveIsNotGuessed(t *testing.T) {
	for name, tt := range map[string]struct {
		providers []string
		key       string
		want      drift.Drift
	}{
		"in one provider":            {[]string{stored.Keys("aescbc", "k", "k")}, "k", drift.Unjudged},
		"in two providers":           {[]string{stored.Keys("aescbc", "k"), stored.Keys("aescbc", "k")}, "k", drift.Unjudged},
		"three times":                {[]string{stored.Keys("aescbc", "k", "k", "k")}, "k", drift.Unjudged},
		"whole blocks tell":          {[]string{stored.Keys("aescbc", "k:1", "k")}, "k:1", drift.AsConfigured},
		"another that begins alike":  {[]string{stored.Keys("aescbc", "k:2", "k:1")}, "k:1", drift.StaleKey},
		"both while identity writes": {[]string{stored.Identity, stored.Keys("aescbc", "k", "k")}, "k", drift.EncryptedUnconfigured},
	} {
		rule, _ := stored.Config(t, stored.Entry("secrets", tt.providers...)).For(apiresource.Of("secrets"))
		if got := drift.Of(rule, nil, shown(storedvalue.AESCBC, tt.key)); got.Drift != tt.want {
			t.Errorf("%s: %q, want %q", name, got.Drift, tt.want)
		}
	}
}
