package encryptionconfig_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/stored"
)

func TestTheRulesSurviveJSONWithoutTheKeys(t *testing.T) {
	before := parse(t, stored.Head+
		stored.Entry("secrets, pandas.awesome.bears.example", stored.KMS("v2", "first"), stored.Keys("aescbc", "k1", "k2"), stored.Identity)+
		stored.Entry(`"*.apps"`, stored.KMS("v1", "old"))+
		stored.Entry(`"*."`, stored.Keys("aesgcm", "g"))+
		stored.Entry(`"*.*"`, stored.Keys("secretbox", "rest")))
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	refuseCanary(t, string(text))
	var after encryptionconfig.Config
	if err := json.Unmarshal(text, &after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.Rules(), after.Rules(), cmp.AllowUnexported(encryptionconfig.Provider{})); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"secrets", "pandas.awesome.bears.example", "jobs.batch", "deployments.apps", "pods"} {
		was, _ := before.For(resource(name))
		is, ok := after.For(resource(name))
		if !ok || is.Entry != was.Entry {
			t.Errorf("%s: %q, %q", name, was.Entry, is.Entry)
		}
	}
}

func TestRulesThatNoConfigurationHasAreRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"a key":            {`[{"Entry":"secrets","Providers":[{"Kind":"aescbc","Secret":"x"}]}]`, "unknown field"},
		"an unknown kind":  {`[{"Entry":"secrets","Providers":[{"Kind":"rot13"}]}]`, "no kind of provider"},
		"an entry twice":   {`[{"Entry":"secrets"},{"Entry":"secrets"}]`, "twice"},
		"no entry's name":  {`[{"Entry":"secrets."}]`, "is none"},
		"something else":   {`{"Entry":"secrets"}`, "read the rules"},
		"more than a list": {`"secrets"`, "read the rules"},
	} {
		var c encryptionconfig.Config
		if err := json.Unmarshal([]byte(tt.text), &c); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
