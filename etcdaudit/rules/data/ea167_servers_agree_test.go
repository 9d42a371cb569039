package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestServersAgree(t *testing.T) {
	one := stored.Values{"secrets/default/a": stored.KMSv2("p", "v1", 1)}
	both := func(p keyjoin.Plugin, all ...keyjoin.Server) *keyjoin.Sources {
		return &keyjoin.Sources{Plugins: []keyjoin.Plugin{p}, Servers: all}
	}
	runJoined(t, "EA-167",
		joinedCase{"they agree", one, servers(metrics("a", "v1"), metrics("b", "v1")), check.Pass, 0, "provider p: key_id v1 on a, b", "a provider p: key_id v1"},
		joinedCase{"one is behind", one, servers(metrics("a", "v1"), metrics("b", "v2")), check.Warn, 0, "key_id v1 on a", ""},
		joinedCase{"a key_id that is nowhere else", one, servers(metrics("a", "v1"), metrics("b", "v2")), check.Warn, 0, "a key_id with the hash " + keyjoin.Hash("v2") + " on b", ""},
		joinedCase{"all are behind the plugin", one, both(plugin("v2", "v1", "v2"), metrics("a", "v1")), check.Warn, 0, "key_id v1 on a, which is not what a plugin writes with", ""},
		joinedCase{"one follows the plugin", one, both(plugin("v1", "v1"), metrics("a", "v1")), check.Pass, 0, "on a", ""},
		joinedCase{"one that lists nothing", one, both(plugin("v1"), metrics("a", "v1")), check.Pass, 0, "on a", ""},
		joinedCase{"one alone", one, servers(metrics("a", "v1")), check.NotEvaluated, 0, "one API server alone", ""},
		joinedCase{"one says nothing", one, servers(metrics("a", "v1"), metrics("b", "")), check.NotEvaluated, 0, "b names no key_id", ""},
		joinedCase{"none has KMS", one, servers(metrics("a", "")), check.NotApplicable, 0, "no API server has a KMS v2 provider", ""},
		joinedCase{"no metrics", one, only(plugin("v1", "v1")), check.NotApplicable, 0, "--apiserver-metrics", ""},
	)
}
