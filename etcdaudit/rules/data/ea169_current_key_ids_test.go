package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestCurrentKeyIDs(t *testing.T) {
	two := stored.Values{"secrets/default/a": stored.KMSv2("p", "v1", 1), "secrets/default/b": stored.KMSv2("p", "v2", 2)}
	runJoined(t, "EA-169",
		// The newest in the store need not be the current one.
		joinedCase{"the plugin has rotated", two, only(plugin("v3", "v1", "v2", "v3")), check.Warn, 2, "2 of 2 values under a key_id that is not current: secrets (2 of 2) (current 0, stale 2, unknown 0)", "key_id v2: stale, 1 value"},
		joinedCase{"an API server says it", two, servers(metrics("a", "v2")), check.Warn, 1, "current 1, stale 1", "key_id v2: current"},
		joinedCase{"all are current", stored.Values{"secrets/default/b": stored.KMSv2("p", "v2", 2)}, only(plugin("v2", "v2")), check.Pass, 0, "all 1 value", ""},
		joinedCase{"unknown is not current", two, only(plugin("v2", "v2")), check.NotEvaluated, 0, "EA-166", ""},
		joinedCase{"nobody tells", two, &keyjoin.Sources{Plugins: []keyjoin.Plugin{{Name: "/no", Problem: "nobody listens there"}}, Servers: []keyjoin.Server{metrics("a", "")}}, check.NotEvaluated, 0, "plugin /no: nobody listens there; a names no key_id", ""},
	)
}
