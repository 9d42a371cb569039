package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

type config struct {
	Cluster string        `mapstructure:"cluster" help:"cluster identity"`
	Delay   time.Duration `mapstructure:"promotion-delay" help:"delay"`
	Accept  []string      `mapstructure:"accept-clusters" help:"clusters"`
	Files   []string      `mapstructure:"files" help:"files" whole:"true"`
	Vault   struct {
		Address string `mapstructure:"address" help:"address"`
		Auth    struct {
			RoleID string `mapstructure:"role-id" help:"role"`
		} `mapstructure:"auth"`
	} `mapstructure:"vault"`
}

func load(t *testing.T, yaml string, args ...string) (config, error) {
	t.Helper()
	c := config{Delay: time.Minute}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags, &c)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	file := ""
	if yaml != "" {
		file = filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := Load(flags, file, "SEALTEST", &c)
	return c, err
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	const yaml = "cluster: file\npromotion-delay: 2m\nvault: {address: file, auth: {role-id: file}}\naccept-clusters: [a, b]\n"
	t.Setenv("SEALTEST_VAULT_ADDRESS", "env")
	t.Setenv("SEALTEST_VAULT_AUTH_ROLE_ID", "env")
	got, err := load(t, yaml, "--vault-auth-role-id=flag")
	if err != nil {
		t.Fatal(err)
	}
	want := config{Cluster: "file", Delay: 2 * time.Minute, Accept: []string{"a", "b"}}
	want.Vault.Address = "env"
	want.Vault.Auth.RoleID = "flag"
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if got, err := load(t, ""); err != nil || got.Delay != time.Minute {
		t.Fatalf("default delay: got %v, %v", got.Delay, err)
	}
}

func TestAFileOfAFlagMayHaveACommaInItsName(t *testing.T) {
	got, err := load(t, "", "--files", `a, "b".xml`, "--files=c", "--accept-clusters=a,b")
	if err != nil {
		t.Fatal(err)
	}
	want := config{Delay: time.Minute, Accept: []string{"a", "b"}, Files: []string{`a, "b".xml`, "c"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestWrongConfigurationIsRefusedWithTheKeysPath(t *testing.T) {
	for name, tc := range map[string]struct {
		yaml string
		env  string
		want string
	}{
		"unknown key":             {yaml: "vault: {addres: x}", want: "unknown key vault.addres"},
		"unknown section":         {yaml: "tault: {address: x}", want: "unknown key tault.address (did you mean vault.address?)"},
		"not a duration":          {yaml: "promotion-delay: soon", want: "promotion-delay"},
		"number without a unit":   {yaml: "promotion-delay: 30", want: "give a number with a unit"},
		"section where a leaf is": {yaml: "cluster: {name: x}", want: "unknown key cluster.name"},
		"leaf where a section is": {yaml: "vault: x", want: "vault"},
		"not YAML":                {yaml: "cluster: [", want: "read configuration file"},
		"key given twice":         {yaml: "cluster: a\ncluster: b", want: "already defined"},
		"unknown environment":     {env: "SEALTEST_VAULT_ADRESS", want: "SEALTEST_VAULT_ADRESS: there is no such configuration key"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.env != "" {
				t.Setenv(tc.env, "x")
			}
			_, err := load(t, tc.yaml)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestTextThatYAMLTakesForSomethingElseIsRefused(t *testing.T) {
	for text, kind := range map[string]string{
		"0123": "a number", "1.10": "a number", "1_000": "a number", "0x1F": "a number", "1e3": "a number", "18446744073709551615": "a number",
		"true": "a boolean", "2024-01-01": "a date",
	} {
		for key, yaml := range map[string]string{
			"cluster":            "cluster: %s",
			"vault.auth.role-id": "vault: {auth: {role-id: %s}}",
			"accept-clusters[1]": "accept-clusters: [a, %s]",
			"accept-clusters":    "accept-clusters: %s",
		} {
			_, err := load(t, strings.ReplaceAll(yaml, "%s", text))
			if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), kind) || !strings.Contains(err.Error(), "quotes") {
				t.Errorf("%s: %s: got %v", key, text, err)
			}
			for _, quoted := range []string{`"` + text + `"`, "'" + text + "'"} {
				if _, err := load(t, strings.ReplaceAll(yaml, "%s", quoted)); err != nil {
					t.Errorf("%s: %s: %v", key, quoted, err)
				}
			}
		}
		var c config
		if err := Overlay(&c, "previous[0]", map[string]any{"cluster": 83}); err == nil || !strings.Contains(err.Error(), "quotes") {
			t.Errorf("in a list: got %v, %+v", err, c)
		}
	}
}

func TestTheEnvironmentAndFlagsAreText(t *testing.T) {
	for _, text := range []string{"0123", "1.10", "true", "2024-01-01"} {
		t.Setenv("SEALTEST_CLUSTER", text)
		got, err := load(t, "", "--vault-address", text)
		if err != nil || got.Cluster != text || got.Vault.Address != text {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}

func TestServiceLinksInTheEnvironmentAreNotOurs(t *testing.T) {
	for _, name := range []string{"SEALTEST_SERVICE_HOST", "SEALTEST_SERVICE_PORT_HTTPS", "SEALTEST_PORT", "SEALTEST_PORT_443_TCP_ADDR"} {
		t.Setenv(name, "10.0.0.1")
	}
	if _, err := load(t, ""); err != nil {
		t.Fatal(err)
	}
}

func TestAConfigurationFileThatDoesNotEndIsRefused(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var into struct {
		A string `mapstructure:"a" help:"a"`
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	if err := Load(flags, "/dev/zero", "NO_SUCH_PREFIX", &into); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("/dev/zero: %v", err)
	}
	// Nothing will ever write into it.
	if err := Load(flags, pipe, "NO_SUCH_PREFIX", &into); err != nil {
		t.Errorf("a pipe: %v", err)
	}
}

func TestASecondDocumentIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		yaml    string
		refused bool
	}{
		"one document":                 {"cluster: a\n", false},
		"one with both marks":          {"---\ncluster: a\n...\n", false},
		"an empty one after it":        {"cluster: a\n---\n# nothing\n", false},
		"a second one":                 {"cluster: a\n---\npromotion-delay: 2m\n", true},
		"a second one that is no YAML": {"cluster: a\n---\n{\n", true},
		"a third one after an empty":   {"cluster: a\n---\n---\npromotion-delay: 2m\n", true},
		"a comment before the first":   {"# nothing\n---\npromotion-delay: 2m\n", false},
	} {
		_, err := load(t, tt.yaml)
		if refused := err != nil && strings.Contains(err.Error(), "more than one YAML document"); refused != tt.refused || !refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", name, err)
		}
	}
}
