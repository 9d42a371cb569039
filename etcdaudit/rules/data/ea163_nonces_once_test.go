package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

// gcm is an aesgcm value with a nonce and the end of a tag.
func gcm(key, nonce, tag string) string {
	return "k8s:enc:aesgcm:v1:" + key + ":" + nonce + strings.Repeat("c", 30) + tag
}

func TestNoncesOnce(t *testing.T) {
	one, two := strings.Repeat("\x01", 12), strings.Repeat("\x02", 12)
	stored.Run(t, "EA-163",
		stored.Case{Name: "a nonce in two values", Values: stored.Values{"secrets/default/a": gcm("k", one, "aaaa"), "configmaps/default/a": gcm("k", one, "bbbb"), "secrets/default/c": gcm("k", two, "cccc")}, Status: check.Fail, Count: 2, Says: "key k: 1 nonce used more than once, by 2 values (written at revisions 1, 1)"},
		stored.Case{Name: "all different", Values: stored.Values{"secrets/default/a": gcm("k", one, "aaaa"), "secrets/default/c": gcm("k", two, "cccc")}, Status: check.Pass, Says: "2 values are all different"},
		stored.Case{Name: "a name with a colon", Values: stored.Values{"secrets/default/a": gcm("k", "eeeeeeeeeee:", "aaaa"), "secrets/default/c": gcm("k", "eeeeeeeeeee:", "cccc")}, Status: check.NotEvaluated, Says: "a name with a colon: k"},
		stored.Case{Name: "no aesgcm", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Status: check.NotApplicable, Says: "aesgcm"},
	)
}
