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

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
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
	good := entry("secrets", kms("v2", "p"))
	docs := []string{
		"", "\tx", head, head + good,
		head + entry("events", identity) + entry("secrets, pandas.awesome.bears.example", kms("v2", "first"), aes("aescbc", "k1", "k2"), identity) +
			entry(`"*.apps"`, aes("aesgcm", "g")) + entry("secrets", aes("secretbox", "late")) + entry(`"*."`, kms("v1", "core:kms")) + entry(`"*.*"`, identity),
		head + good + "extra: 1\n", head + good + "kind: EncryptionConfiguration\n",
		strings.Replace(head+good, "endpoint", "Endpoint", 1), strings.Replace(head+good, "/v1", "/v2", 1),
		strings.Replace(head+good, "EncryptionConfiguration", "EncryptionConfig", 1),
		head + "- resources: [secrets]\n", head + "- resources: secrets\n", head + entry("secrets", "{}"),
		head + entry("secrets", "{identity: {}, "+kms("v2", "p")+"}"), head + entry("secrets", "aescbc: {keys: []}"),
		head + entry("secrets", aes("aescbc", "")), head + entry("secrets", "aescbc: {keys: [{name: a}]}"),
		head + entry("secrets", "aescbc: {keys: [{name: a, secret: '!'}]}"), head + entry("secrets", "aescbc: {keys: [{name: a, secret: 12345678}]}"),
		head + entry("secrets", "secretbox: {keys: [{name: a, secret: Q0FOQVJZQ0FOQVJZ}]}"), head + entry("secrets", "aesgcm: {keys: [{name: a, secret: AAAAAAAAAAAAAAAAAAAAAA==}]}"),
		head + entry("secrets", kms("v2", "p")) + entry("configmaps", kms("v2", "p")), head + entry("secrets", kms("v1", "p")) + entry("configmaps", kms("v1", "p")),
		head + entry("secrets", "kms: {name: p, endpoint: 'unix:///s'}"), head + entry("secrets", "kms: {apiVersion: v2, name: p}"),
		head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'tcp://x:1'}"), head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: ':'}"),
		head + entry("secrets", "kms: {apiVersion: v2, name: p, cachesize: 1, endpoint: 'unix:///s'}"), head + entry("secrets", "kms: {name: p, cachesize: -1, endpoint: 'unix:///s'}"),
		head + entry("secrets", "kms: {name: p, cachesize: 0, endpoint: 'unix:///s'}"), head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 0s}"),
		head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 3}"), head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: -3s}"),
		head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: null}"), head + entry("secrets", "identity: null"),
	}
	for _, secret := range []string{key() + `\n`, key()[:9] + `\r\n` + key()[9:], `\n`, key() + `\\n`, key() + `\t`, "====", "a"} {
		docs = append(docs, head+entry("secrets", `aescbc: {keys: [{name: a, secret: "`+secret+`"}]}`))
	}
	for _, version := range []string{"v1", "v2", "v3", "''"} {
		for _, name := range []string{"", "a", "a:b"} {
			docs = append(docs, head+entry("secrets", kms(version, name)))
		}
	}
	for _, resources := range []string{
		"", "Secrets", `"*"`, `"*."`, `"*.*"`, `"*.apps"`, `"secrets.*"`, "serviceipallocations", "events", "events.events.k8s.io", `"*.events.k8s.io"`,
		"ingresses.extensions", "secrets, secrets", `secrets, "*."`, `"*.", pods`, `pods, "*.*"`, `"*.*", "*.apps"`, `deployments.apps, "*.apps"`, `deployments.apps, "*."`, "a.b, c.b", "''",
	} {
		docs = append(docs, head+entry(resources, identity))
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
		rule, _ := c.For(storedvalue.ResourceOf("secrets"))
		_ = rule.Judge(nil, shown(storedvalue.KMSv2, "p"))
	})
}
