package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestKnownKeyIDs(t *testing.T) {
	two := stored.Values{"secrets/default/a": stored.KMSv2("p", "v1", 1), "secrets/default/b": stored.KMSv2("p", "v2", 2), "secrets/default/c": stored.KMSv2("p", "v2", 2)}
	runJoined(t, "EA-166",
		joinedCase{"all are listed", two, only(plugin("v2", "v1", "v2")), check.Pass, 0, "all 3 values", "key_id v1: stale, 1 value"},
		joinedCase{"one is not", two, only(plugin("v2", "v2")), check.Warn, 1, "1 of 3 values under a key_id that nobody", "key_id v1: unknown, 1 value"},
		joinedCase{"a plugin that lists nothing", two, only(plugin("v2")), check.NotEvaluated, 0, "/run/kms.sock does not tell the versions", ""},
		joinedCase{"a plugin that does not answer", two, only(keyjoin.Plugin{Name: "/no", Problem: "no socket is there"}), check.NotEvaluated, 0, "plugin /no: no socket is there", ""},
		joinedCase{"metrics alone", two, servers(metrics("a", "v2")), check.NotApplicable, 0, "no --plugin-socket", ""},
		joinedCase{"no KMS v2", stored.Values{"secrets/default/a": stored.Plaintext}, only(plugin("v2", "v2")), check.NotApplicable, 0, "KMS v2", ""},
		joinedCase{"nobody was asked", two, nil, check.NotApplicable, 0, "neither --plugin-socket nor", ""},
	)
}
