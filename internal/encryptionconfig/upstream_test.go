package encryptionconfig_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"

	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/stored"
)

// upstream returns what decodes and validates as an API server with automatic
// reload does (loadConfig in pkg/server/options/encryptionconfig/config.go).
func upstream(t testing.TB) func(text []byte) error {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{apiserver.AddToScheme, apiserverv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder()
	return func(text []byte) error {
		if len(text) == 0 {
			return errOther
		}
		obj, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			return err
		}
		config, ok := obj.(*apiserver.EncryptionConfiguration)
		if !ok {
			return errOther
		}
		return validation.ValidateEncryptionConfiguration(config, true).ToAggregate()
	}
}

var errOther = errors.New("another kind, or nothing")

// documents are all that the other tests of this package parse, good and bad.
func documents() []string {
	good := stored.Entry("secrets", stored.KMS("v2", "p"))
	docs := []string{
		"", "\tx", stored.Head, stored.Head + good,
		stored.Head + stored.Entry("events", stored.Identity) + stored.Entry("secrets, pandas.awesome.bears.example", stored.KMS("v2", "first"), stored.Keys("aescbc", "k1", "k2"), stored.Identity) +
			stored.Entry(`"*.apps"`, stored.Keys("aesgcm", "g")) + stored.Entry("secrets", stored.Keys("secretbox", "late")) + stored.Entry(`"*."`, stored.KMS("v1", "core:kms")) + stored.Entry(`"*.*"`, stored.Identity),
		stored.Head + good + "extra: 1\n", stored.Head + good + "kind: EncryptionConfiguration\n",
		strings.Replace(stored.Head+good, "endpoint", "Endpoint", 1), strings.Replace(stored.Head+good, "/v1", "/v2", 1),
		strings.Replace(stored.Head+good, "EncryptionConfiguration", "EncryptionConfig", 1),
		stored.Head + "- resources: [secrets]\n", stored.Head + "- resources: secrets\n", stored.Head + stored.Entry("secrets", "{}"),
		stored.Head + stored.Entry("secrets", "{identity: {}, "+stored.KMS("v2", "p")+"}"), stored.Head + stored.Entry("secrets", "aescbc: {keys: []}"),
		stored.Head + stored.Entry("secrets", stored.Keys("aescbc", "")), stored.Head + stored.Entry("secrets", "aescbc: {keys: [{name: a}]}"),
		stored.Head + stored.Entry("secrets", "aescbc: {keys: [{name: a, secret: '!'}]}"), stored.Head + stored.Entry("secrets", "aescbc: {keys: [{name: a, secret: 12345678}]}"),
		stored.Head + stored.Entry("secrets", "secretbox: {keys: [{name: a, secret: Q0FOQVJZQ0FOQVJZ}]}"), stored.Head + stored.Entry("secrets", "aesgcm: {keys: [{name: a, secret: AAAAAAAAAAAAAAAAAAAAAA==}]}"),
		stored.Head + stored.Entry("secrets", stored.KMS("v2", "p")) + stored.Entry("configmaps", stored.KMS("v2", "p")), stored.Head + stored.Entry("secrets", stored.KMS("v1", "p")) + stored.Entry("configmaps", stored.KMS("v1", "p")),
		stored.Head + stored.Entry("secrets", "kms: {name: p, endpoint: 'unix:///s'}"), stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p}"),
		stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'tcp://x:1'}"), stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: ':'}"),
		stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, cachesize: 1, endpoint: 'unix:///s'}"), stored.Head + stored.Entry("secrets", "kms: {name: p, cachesize: -1, endpoint: 'unix:///s'}"),
		stored.Head + stored.Entry("secrets", "kms: {name: p, cachesize: 0, endpoint: 'unix:///s'}"), stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 0s}"),
		stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 3}"), stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: -3s}"),
		stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: null}"), stored.Head + stored.Entry("secrets", "identity: null"),
	}
	for _, secret := range []string{stored.Key() + `\n`, stored.Key()[:9] + `\r\n` + stored.Key()[9:], `\n`, stored.Key() + `\\n`, stored.Key() + `\t`, "====", "a"} {
		docs = append(docs, stored.Head+stored.Entry("secrets", `aescbc: {keys: [{name: a, secret: "`+secret+`"}]}`))
	}
	for _, version := range []string{"v1", "v2", "v3", "''"} {
		for _, name := range []string{"", "a", "a:b"} {
			docs = append(docs, stored.Head+stored.Entry("secrets", stored.KMS(version, name)))
		}
	}
	for _, resources := range []string{
		"", "Secrets", `"*"`, `"*."`, `"*.*"`, `"*.apps"`, `"secrets.*"`, "serviceipallocations", "events", "events.events.k8s.io", `"*.events.k8s.io"`,
		"ingresses.extensions", "secrets, secrets", `secrets, "*."`, `"*.", pods`, `pods, "*.*"`, `"*.*", "*.apps"`, `deployments.apps, "*.apps"`, `deployments.apps, "*."`, "a.b, c.b", "''",
	} {
		docs = append(docs, stored.Head+stored.Entry(resources, stored.Identity))
	}
	return docs
}

// What an API server accepts is accepted here, and what it refuses is refused,
// except for one thing that it only finds out when it builds the transformers:
// an entry that an earlier wildcard hides.
func TestTheAPIServerAgreesOnWhatIsValid(t *testing.T) {
	accepted, theirsOf := 0, upstream(t)
	for _, doc := range documents() {
		_, err := encryptionconfig.Parse([]byte(doc))
		theirs := theirsOf([]byte(doc))
		if (err == nil) != (theirs == nil) {
			t.Errorf("here: %v\nAPI server: %v\n%s", err, theirs, doc)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted < 10 {
		t.Errorf("only %d documents are valid: the comparison proves little", accepted)
	}
}

// FuzzParse looks for panics, and for files on which the API server disagrees.
func FuzzParse(f *testing.F) {
	for _, doc := range documents() {
		f.Add([]byte(doc))
	}
	theirsOf := upstream(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := encryptionconfig.Parse(data)
		if theirs := theirsOf(data); (err == nil) != (theirs == nil) && (err == nil || !strings.Contains(err.Error(), "has no effect")) {
			t.Errorf("here: %v\nAPI server: %v", err, theirs)
		}
		if err != nil {
			return
		}
		if _, ok := c.For(apiresource.Of("secrets")); !ok {
			t.Error("there is no answer for Secrets")
		}
	})
}
