package data_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

// joinedCase is what a rule says where plugins and API servers were asked.
type joinedCase struct {
	name    string
	values  stored.Values
	sources *keyjoin.Sources
	status  check.Status
	count   int64
	says    string // in the summary or the reason
	shows   string // in the evidence
}

func runJoined(t *testing.T, id string, cases ...joinedCase) {
	t.Helper()
	for _, tt := range cases {
		f := stored.Facts(nil, stored.Records(tt.values)...)
		f.KeySources, f.Stores[0].KeySources = tt.sources, tt.sources
		r := stored.Result(t, f, id)
		if r.Status != tt.status || r.Count != tt.count || !strings.Contains(r.Summary+r.Reason, tt.says) || !strings.Contains(fmt.Sprint(r.Evidence), tt.shows) {
			t.Errorf("%s: %v, count %d: %s%s\n%v", tt.name, r.Status, r.Count, r.Summary, r.Reason, r.Evidence)
		}
	}
}

func plugin(current string, versions ...string) keyjoin.Plugin {
	return keyjoin.Plugin{Name: "/run/kms.sock", Current: current, Versions: versions, Lists: len(versions) > 0}
}

// metrics are those of an API server whose plugin has returned a key_id; empty for none.
func metrics(name, keyID string) keyjoin.Server {
	s := keyjoin.Server{Name: name, Current: map[string]string{}, Opened: map[string]bool{}}
	if keyID != "" {
		s.Current["p"] = keyjoin.Hash(keyID)
	}
	return s
}

func only(plugins ...keyjoin.Plugin) *keyjoin.Sources { return &keyjoin.Sources{Plugins: plugins} }

func servers(all ...keyjoin.Server) *keyjoin.Sources { return &keyjoin.Sources{Servers: all} }
