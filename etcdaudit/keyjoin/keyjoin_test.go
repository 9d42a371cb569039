package keyjoin_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
)

func server(provider, keyID string, opened ...string) keyjoin.Server {
	s := keyjoin.Server{Name: "metrics of " + keyID, Current: map[string]string{}, Opened: map[string]bool{}}
	if keyID != "" {
		s.Current[provider] = keyjoin.Hash(keyID)
	}
	for _, id := range opened {
		s.Opened[keyjoin.Hash(id)] = true
	}
	return s
}

func TestAKeyIDIsCurrentStaleOrUnknown(t *testing.T) {
	ours := keyjoin.Plugin{Current: "v2", Versions: []string{"v1", "v2"}, Lists: true}
	other := keyjoin.Plugin{Current: "v2"}
	for name, tt := range map[string]struct {
		plugins []keyjoin.Plugin
		servers []keyjoin.Server
		keyID   string
		want    keyjoin.State
	}{
		"the plugin writes with it":                 {[]keyjoin.Plugin{ours}, nil, "v2", keyjoin.Current},
		"the plugin has it":                         {[]keyjoin.Plugin{ours}, nil, "v1", keyjoin.Stale},
		"the plugin does not have it":               {[]keyjoin.Plugin{ours}, nil, "v0", keyjoin.Unknown},
		"an API server has opened it":               {[]keyjoin.Plugin{ours}, []keyjoin.Server{server("p", "v2", "v0")}, "v0", keyjoin.Stale},
		"an API server is behind the plugin":        {[]keyjoin.Plugin{ours}, []keyjoin.Server{server("p", "v1")}, "v1", keyjoin.Stale},
		"an API server with another plugin":         {[]keyjoin.Plugin{ours}, []keyjoin.Server{server("p", "w1")}, "w1", keyjoin.Current},
		"a plugin that does not say what it lists":  {[]keyjoin.Plugin{other}, []keyjoin.Server{server("p", "v1")}, "v1", keyjoin.Current},
		"an API server uses it in another provider": {nil, []keyjoin.Server{server("q", "v1"), server("p", "v2")}, "v1", keyjoin.Stale},
		"a plugin that lists nothing":               {[]keyjoin.Plugin{other}, nil, "v0", keyjoin.Stale},
		"a plugin that does not write":              {[]keyjoin.Plugin{{Problem: "no socket"}}, nil, "v0", keyjoin.Undecided},
		"a plugin that does not write and lists":    {[]keyjoin.Plugin{{Versions: []string{"v1"}, Lists: true}}, nil, "v1", keyjoin.Undecided},
		"an API server without KMS":                 {nil, []keyjoin.Server{server("p", "")}, "v0", keyjoin.Undecided},
	} {
		s := keyjoin.Sources{Plugins: tt.plugins, Servers: tt.servers}
		if got := s.State("p", tt.keyID); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestAPIServersAreDividedByWhatTheyUse(t *testing.T) {
	s := keyjoin.Sources{Servers: []keyjoin.Server{server("p", "v2"), server("p", "v1"), server("p", "v2"), server("q", "v1")}}
	camps := s.Camps("p")
	if len(camps) != 2 || len(camps[0].Servers)+len(camps[1].Servers) != 3 {
		t.Errorf("%+v", camps)
	}
	if got := s.Providers(); len(got) != 2 || got[0] != "p" {
		t.Errorf("%v", got)
	}
	s.Servers[0].Config, s.Servers[1].Config = "sha256:aa", "sha256:aa"
	if configs := s.Configs(); len(configs) != 1 || len(configs[0].Servers) != 2 {
		t.Errorf("%+v", configs)
	}
}

func TestAnAPIServerFollowsThePluginThatTells(t *testing.T) {
	s := keyjoin.Sources{Plugins: []keyjoin.Plugin{{Problem: "no answer"}}}
	if !s.Followed(keyjoin.Hash("v1")) {
		t.Error("nobody has said that it does not")
	}
	s.Plugins = append(s.Plugins, keyjoin.Plugin{Current: "v2"})
	if s.Followed(keyjoin.Hash("v1")) || !s.Followed(keyjoin.Hash("v2")) {
		t.Error("the plugin's key_id does not decide")
	}
}
