package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestUnlistedCredentials(t *testing.T) {
	token, signing := "management.cattle.io/tokens/token-abc", "dex.coreos.com/signingkeies/dex/openid-connect-keys"
	stored.Run(t, "EA-115",
		stored.Case{Name: "tokens without a configuration", Values: stored.Values{token: `{"token":"` + stored.Canary + `"}`, signing: "{}"}, Status: check.Warn, Count: 2, Says: "2 values in plaintext: signingkeies.dex.coreos.com (1 of 1), tokens.management.cattle.io (1 of 1)"},
		stored.Case{Name: "tokens that the configuration does not name", Values: stored.Values{token: "{}"}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Warn, Count: 1, Says: "which the configuration does not encrypt"},
		stored.Case{Name: "identity is not encryption", Values: stored.Values{token: "{}"}, Config: stored.Entry("tokens.management.cattle.io", stored.Identity), Status: check.Warn, Count: 1, Says: "tokens"},
		stored.Case{Name: "those that it names are EA-111's", Values: stored.Values{token: "{}"}, Config: stored.Entry(`"*.*"`, stored.KMS("v2", "p"), stored.Identity), Status: check.Pass, Says: "EA-111"},
		stored.Case{Name: "encrypted", Values: stored.Values{token: stored.KMSv2("p", "k", 1)}, Status: check.Pass, Says: "1 resource"},
		stored.Case{Name: "a resource of another group has another meaning", Values: stored.Values{"example.com/tokens/a": "{}", "secrets/default/a": stored.Plaintext}, Status: check.Pass, Says: "is stored"},
		stored.Case{Name: "what is not exact does not pass", Values: stored.Values{"pods/default/a": stored.Plaintext}, Inexact: "cut off", Status: check.NotEvaluated, Says: "not exact"},
	)
}

func TestItIsSaidWhyAResourceIsSensitive(t *testing.T) {
	r := stored.Result(t, stored.Facts(nil, stored.Record("management.cattle.io/tokens/token-abc", "{}", 1)), "EA-115")
	said := ""
	for _, e := range r.Evidence {
		said += e.Source + " " + e.Seen + "\n"
	}
	if !strings.Contains(said, "https://ranchermanager.docs.rancher.com/api/api-tokens tokens.management.cattle.io: tokens of Rancher's API") {
		t.Error(said)
	}
}

// OpenShift's OAuth server keeps its tokens under a prefix and paths of its own, where another
// server's Routes are as well.
func TestTokensOfOpenShiftAreFound(t *testing.T) {
	rec := func(key string) record.Record {
		r := stored.Record("", "{}", 1)
		r.Key = []byte("/openshift.io/" + key)
		return r
	}
	token, route := rec("oauth/accesstokens/sha256~abc"), rec("routes/default/a")
	for config, want := range map[string]string{
		"": "oauthaccesstokens.oauth.openshift.io (1 of 1), routes.route.openshift.io (1 of 1)",
		stored.Entry("oauthauthorizetokens.oauth.openshift.io", stored.Keys("aescbc", "k")): "does not encrypt: oauthaccesstokens.oauth.openshift.io (1 of 1)",
	} {
		var entries []string
		if config != "" {
			entries = []string{config}
		}
		r := stored.Result(t, stored.FactsUnder("/openshift.io", stored.Config(t, entries...), token, route), "EA-115")
		if r.Status != check.Warn || !strings.HasSuffix(r.Summary, want) {
			t.Errorf("%v %s%s", r.Status, r.Summary, r.Reason)
		}
	}
}
