package apiserverconfig

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFlagsAreReadAsTheAPIServerReadsThem(t *testing.T) {
	for name, tc := range map[string]struct {
		args string
		want func(*Config)
	}{
		"values stand after = or in the next word": {"--etcd-cafile=/ca --etcd-certfile /cert", func(c *Config) { c.EtcdCA, c.EtcdCert = "/ca", "/cert" }},
		"a bare boolean does not take the next flag": {
			"--encryption-provider-config-automatic-reload --encryption-provider-config /e",
			func(c *Config) { c.EncryptionReload, c.EncryptionConfig = true, "/e" },
		},
		"the last value wins":              {"--etcd-prefix=/a --etcd-prefix=/b", func(c *Config) { c.EtcdPrefix = "/b" }},
		"lists add up":                     {"--tls-cipher-suites=TLS_AES_128_GCM_SHA256 --tls-cipher-suites=TLS_AES_256_GCM_SHA384", func(c *Config) { c.CipherSuites = []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"} }},
		"names may be written with _":      {"--anonymous_auth=false", func(c *Config) { c.AnonymousAuth = false }},
		"a boolean has several forms":      {"--anonymous-auth=F", func(c *Config) { c.AnonymousAuth = false }},
		"verbosity has a short form":       {"-v=4 -v4 --v 4", func(*Config) {}},
		"an unknown flag takes a word":     {"--gone-since-long 3 --etcd-prefix /x", func(c *Config) { c.EtcdPrefix, c.Unknown = "/x", []string{"gone-since-long"} }},
		"an unknown flag may be a boolean": {"--gone-since-long --etcd-prefix /x", func(c *Config) { c.EtcdPrefix, c.Unknown = "/x", []string{"gone-since-long"} }},
		"gates add up":                     {"--feature-gates=A=true,B=false --feature-gates=A=false", func(c *Config) { c.FeatureGates = map[string]bool{"A": false, "B": false} }},
		"other resources have an etcd of their own": {
			"--etcd-servers-overrides=/events#http://e:1,/secrets#https://a:1;https://b:1",
			func(c *Config) {
				c.Etcds = append(c.Etcds, Etcd{"/events", []string{"http://e:1"}}, Etcd{"/secrets", []string{"https://a:1", "https://b:1"}})
			},
		},
		"the last override of a resource wins": {
			"--etcd-servers-overrides=/events#http://e:1 --etcd-servers-overrides=/events#http://f:1",
			func(c *Config) { c.Etcds = append(c.Etcds, Etcd{"/events", []string{"http://f:1"}}) },
		},
		"an override of a bad form":     {"--etcd-servers-overrides=events#http://e:1", func(c *Config) { c.Refused = "--etcd-servers-overrides invalid" }},
		"one dash":                      {"-etcd-prefix=/x", func(c *Config) { c.Refused = "unknown shorthand flag" }},
		"a word that is no flag":        {"--anonymous-auth false", func(c *Config) { c.Refused = "takes no arguments" }},
		"a flag without its value":      {"--etcd-cafile", func(c *Config) { c.Refused = "flag needs an argument" }},
		"a boolean that is none":        {"--anonymous-auth=no", func(c *Config) { c.Refused = "invalid argument" }},
		"a port that cannot be":         {"--secure-port=0", func(c *Config) { c.Refused, c.SecurePort = "--secure-port 0", 0 }},
		"a suite that does not exist":   {"--tls-cipher-suites=AES", func(c *Config) { c.Refused, c.CipherSuites = "--tls-cipher-suites", []string{"AES"} }},
		"reload without a file":         {"--encryption-provider-config-automatic-reload", func(c *Config) { c.Refused, c.EncryptionReload = "must be set with", true }},
		"modes of authorization add up": {"--authorization-mode=RBAC --authorization-mode=AlwaysAllow", func(c *Config) { c.AuthorizationModes = []string{"RBAC", AlwaysAllow} }},
		"a file about authorization":    {"--authorization-config=/f", func(c *Config) { c.AuthorizationModes, c.AuthorizationConfig = nil, "/f" }},
		"a file beside modes": {"--authorization-config=/f --authorization-mode=RBAC", func(c *Config) {
			c.Refused, c.AuthorizationModes, c.AuthorizationConfig = "can not be specified", []string{"RBAC"}, "/f"
		}},
		"an empty mode":               {"--authorization-mode=", func(*Config) {}},
		"a mode that does not exist":  {"--authorization-mode=rbac", func(c *Config) { c.Refused, c.AuthorizationModes = "not a valid mode", []string{"rbac"} }},
		"a mode twice":                {"--authorization-mode=RBAC,RBAC", func(c *Config) { c.Refused, c.AuthorizationModes = "more than once", []string{"RBAC", "RBAC"} }},
		"ABAC without a policy":       {"--authorization-mode=ABAC", func(c *Config) { c.Refused, c.AuthorizationModes = "authorization-policy-file", []string{"ABAC"} }},
		"a webhook's file without it": {"--authorization-webhook-config-file=/f", func(c *Config) { c.Refused = "authorization-webhook-config-file" }},
		"help":                        {"--help", func(c *Config) { c.Refused = "ends the program" }},
		"the version":                 {"--version", func(c *Config) { c.Refused = "ends the program" }},
		"what follows -- is no flag":  {"-- --etcd-prefix=/x", func(c *Config) { c.Refused = "takes no arguments" }},
	} {
		t.Run(name, func(t *testing.T) {
			got := Parse(append([]string{"--etcd-servers=https://d:2379"}, strings.Fields(tc.args)...))
			want := Config{
				Etcds: []Etcd{{Servers: []string{"https://d:2379"}}}, EtcdPrefix: "/registry", AnonymousAuth: true,
				AuthorizationModes: []string{AlwaysAllow}, BindAddress: "0.0.0.0", SecurePort: 6443, FeatureGates: map[string]bool{},
			}
			tc.want(&want)
			if !strings.Contains(got.Refused, want.Refused) || (got.Refused == "") != (want.Refused == "") {
				t.Errorf("refused: %q", got.Refused)
			}
			got.Given, got.Refused, want.Refused = nil, "", ""
			if got.FeatureGates == nil {
				got.FeatureGates = want.FeatureGates
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGivenFlagsHaveTheirValuesInOrder(t *testing.T) {
	got := Parse([]string{"--etcd-servers=a,b", "--etcd-servers", "c", "--etcd-prefix=x", "--etcd_prefix=y", "--service-account-key-file=a,b"}).Given
	want := map[string][]string{"etcd-servers": {"a", "b", "c"}, "etcd-prefix": {"x", "y"}, "service-account-key-file": {"a,b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsAreInTheEtcdOfTheNarrowestOverride(t *testing.T) {
	for overrides, want := range map[string]string{
		"/events#e":              "d",
		"core/secrets#e":         "d", // no group is called core
		"/secrets#s,/*#all":      "s",
		"/*#all":                 "all",
		"/secrets#s,/secrets#s2": "s2",
	} {
		if got := Parse([]string{"--etcd-servers=d", "--etcd-servers-overrides=" + overrides}).Secrets().Servers; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v", overrides, got)
		}
	}
}

func TestNoValueIsInAReasonAndNoPasswordInAnAddress(t *testing.T) {
	const password = "hunter2"
	for _, args := range [][]string{
		{password}, {"--anonymous-auth=" + password}, {"--secure-port", password}, {"-" + password}, {"--=" + password}, {"-x=" + password},
		{"--etcd-servers=a", "--tls-min-version=" + password}, {"--etcd-servers=a", "--tls-cipher-suites=" + password}, {"--feature-gates=" + password}, {"--feature-gates=" + password + ":a=true"},
		{"--storage-media-type=" + password, "--etcd-servers=a"}, {"--authorization-mode=" + password, "--etcd-servers=a"}, {"--etcd-servers-overrides=" + password},
	} {
		if c := Parse(args); c.Refused == "" || strings.Contains(c.Refused, password) {
			t.Errorf("%q: %q", args, c.Refused)
		}
	}
	c := Parse([]string{"--etcd-servers=https://root:hunter2@a:1,https://b:1", "--etcd-servers-overrides=/events#https://root:hunter2@c:1;https://d:1"})
	if all := fmt.Sprint(c); strings.Contains(all, password) || !strings.Contains(all, "https://a:1") || !strings.Contains(all, "https://c:1") {
		t.Error(all)
	}
}

func TestManyUnknownFlagsEnd(t *testing.T) {
	var args []string
	for range 10_000 {
		args = append(args, "--x"+strings.Repeat("y", len(args)%200))
	}
	if c := Parse(args); c.Refused == "" {
		t.Error("not refused")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("--etcd-servers=a\x00-v\x00--\x00--=\x00--etcd-servers-overrides=/a#b")
	f.Fuzz(func(_ *testing.T, args string) { Parse(strings.Split(args, "\x00")) })
}

func TestTheValueOfAnUnknownFlagIsNotKept(t *testing.T) {
	c := Parse([]string{"--secret-of-a-later-release=hunter2", "--secret-of-a-later-release", "hunter2", "--anonymous-auth=false"})
	if values, given := c.Given["secret-of-a-later-release"]; !given || values != nil || len(c.Unknown) != 1 || c.AnonymousAuth {
		t.Errorf("%+v", c)
	}
	if strings.Contains(fmt.Sprintf("%+v", c), "hunter2") {
		t.Error("it is shown")
	}
}
