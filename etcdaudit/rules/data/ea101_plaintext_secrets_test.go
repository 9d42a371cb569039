package data_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestPlaintextSecrets(t *testing.T) {
	stored.Run(t, "EA-101",
		stored.Case{Name: "a plaintext Secret fails", Values: stored.Values{"secrets/default/a": stored.Plaintext, "secrets/default/b": stored.KMSv2("p", "k", 1)}, Status: check.Fail, Count: 1, Says: "1 of 2 Secrets"},
		stored.Case{Name: "a Secret in an unknown encoding is plaintext", Values: stored.Values{"secrets/default/a": "who knows"}, Status: check.Fail, Count: 1, Says: "1 of 1 Secret "},
		stored.Case{Name: "a readable Secret that claims to be encrypted is plaintext", Values: stored.Values{"secrets/default/a": stored.Claimed(), "secrets/default/b": stored.Keyed("aescbc", "k", "")}, Status: check.Fail, Count: 1, Says: "1 of 2 Secrets"},
		stored.Case{Name: "an empty Secret is plaintext", Values: stored.Values{"secrets/default/a": ""}, Status: check.Fail, Count: 1, Says: "1 of 1"},
		stored.Case{Name: "an encrypted Secret passes", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Status: check.Pass, Says: "none of 1 Secret"},
		stored.Case{Name: "a plaintext ConfigMap is no Secret", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "k", ""), "configmaps/default/a": stored.Plaintext}, Status: check.Pass, Says: "none"},
		stored.Case{Name: "a custom resource called secrets is no Secret", Values: stored.Values{"example.com/secrets/default/a": stored.Plaintext, "namespaces/default": stored.Plaintext}, Status: check.NotApplicable, Says: "no Secret under /registry/secrets/"},
		stored.Case{Name: "a prefix under which Secrets look like something else is not clean", Values: stored.Values{"default/a": stored.Plaintext}, Status: check.NotEvaluated, Says: "is that the --prefix?"},
		stored.Case{Name: "a Secret that only claims to be encrypted is not called so", Values: stored.Values{"secrets/default/a": stored.Unknown, "secrets/default/b": stored.Malformed, "secrets/default/c": stored.Keyed("aescbc", "k", "")}, Status: check.NotEvaluated, Says: "2 of 3 Secrets only claim"},
		stored.Case{Name: "a file that cannot be read as a whole is not clean", Damaged: 2, Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Status: check.NotEvaluated, Says: "2 places could not be read"},
		stored.Case{Name: "what was read at several revisions is not clean", Inexact: "the watch has ended", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Status: check.NotEvaluated, Says: "not exact: the watch has ended"},
		stored.Case{Name: "nothing at all is not clean", Status: check.NotEvaluated, Says: "wrong etcd, or wrong --prefix"},
	)
}

func TestObjectsAreNamedAndNeverShown(t *testing.T) {
	r := stored.Result(t, stored.Facts(nil, stored.Records(stored.Values{"secrets/default/bad\x1b[2J": stored.Plaintext, "secrets/default/\xff": stored.Plaintext})...), "EA-101")
	if len(r.Objects) != 2 || r.Count != 2 {
		t.Fatalf("%v", r.Objects)
	}
	for _, o := range r.Objects {
		if strings.Contains(o.Name, "\x1b") || !utf8.ValidString(o.Name) || !strings.Contains(o.Name, `\x`) {
			t.Errorf("%q is not safe for a terminal", o.Name)
		}
	}
	if text := fmt.Sprint(r); strings.Contains(text, stored.Canary) {
		t.Error("a value is shown")
	}
}
