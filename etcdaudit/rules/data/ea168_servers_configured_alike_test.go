package data_test

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/check"
)

func TestServersConfiguredAlike(t *testing.T) {
	config := func(name, hash string, failures int64) keyjoin.Server {
		return keyjoin.Server{Name: name, Config: hash, Failures: failures, Missing: "no last_config_info"}
	}
	file := func(hash string, all ...keyjoin.Server) *keyjoin.Sources {
		return &keyjoin.Sources{Servers: all, File: "e.yaml", FileHash: hash}
	}
	late := config("b", "sha256:bb", 0)
	late.Reloaded = time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC)
	runJoined(t, "EA-168",
		joinedCase{"the same", nil, servers(config("a", "sha256:aa", 0), config("b", "sha256:aa", 0)), check.Pass, 0, "on a, b", "in force: sha256:aa; no reload since its start"},
		joinedCase{"two files", nil, servers(config("a", "sha256:aa", 3), late), check.Fail, 0, "sha256:aa on a (3 reloads refused); sha256:bb on b (last reloaded 2026-11-28 01:02:03 UTC)", ""},
		joinedCase{"one has not reloaded the given file", nil, file("sha256:bb", config("a", "sha256:aa", 0), late), check.Fail, 0, "another file than e.yaml on a (no reload since its start); e.yaml on b", "e.yaml sha256:bb"},
		joinedCase{"none has", nil, file("sha256:cc", config("a", "sha256:aa", 0)), check.Fail, 0, "another file than e.yaml on a", ""},
		joinedCase{"one has", nil, file("sha256:aa", config("a", "sha256:aa", 0)), check.Pass, 0, "on a", ""},
		joinedCase{"one alone", nil, servers(config("a", "sha256:aa", 0)), check.NotEvaluated, 0, "one API server alone", ""},
		joinedCase{"one does not tell", nil, servers(config("a", "sha256:aa", 0), config("b", "", 0)), check.NotEvaluated, 0, "b: no last_config_info", ""},
		joinedCase{"no metrics", nil, nil, check.NotApplicable, 0, "--apiserver-metrics", ""},
	)
}
