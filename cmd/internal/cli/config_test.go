package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/sealproof/sealproof/test/testkit"
)

type config struct {
	Cluster string           `mapstructure:"cluster" help:"cluster identity"`
	Delay   time.Duration    `mapstructure:"promotion-delay" help:"delay"`
	Accept  []string         `mapstructure:"accept-clusters" help:"clusters"`
	Files   []string         `mapstructure:"files" help:"files" whole:"true"`
	Rate    int              `mapstructure:"rate" help:"rate"`
	Strict  bool             `mapstructure:"strict" help:"strict"`
	Former  []map[string]any `mapstructure:"former"`
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
	err := Load(flags, Sources{File: file, Prefix: "SEALTEST"}, &c)
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
		"unknown key":              {yaml: "vault: {addres: x}", want: "unknown key vault.addres"},
		"unknown section":          {yaml: "tault: {address: x}", want: "unknown key tault.address (did you mean vault.address?)"},
		"not a duration":           {yaml: "promotion-delay: soon", want: "promotion-delay"},
		"number without a unit":    {yaml: "promotion-delay: 30", want: "give a number with a unit"},
		"section where a leaf is":  {yaml: "cluster: {name: x}", want: "cluster: want a text"},
		"leaf where a section is":  {yaml: "vault: x", want: "vault"},
		"not YAML":                 {yaml: "cluster: [", want: "is no YAML: line 1"},
		"key given twice":          {yaml: "cluster: a\ncluster: b", want: "already defined"},
		"key that leads to itself": {yaml: "tault: &x {address: *x}", want: "unknown key tault.address"},
		"unknown environment":      {env: "SEALTEST_VAULT_ADRESS", want: "SEALTEST_VAULT_ADRESS: there is no such configuration key"},
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
	if err := Load(flags, Sources{File: "/dev/zero", Prefix: "NO_SUCH_PREFIX"}, &into); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("/dev/zero: %v", err)
	}
	// Nothing will ever write into it.
	if err := Load(flags, Sources{File: pipe, Prefix: "NO_SUCH_PREFIX"}, &into); err != nil {
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

// A value of another kind must not become one of this kind: 0.9 is not 0, and no limit.
func TestAValueOfAnotherKindIsRefusedWithTheLineInOneLine(t *testing.T) {
	for yaml, want := range map[string]string{
		"rate: 0.9":                  "rate: want a whole number",
		"rate: 12.0":                 "rate: want a whole number",
		`rate: "12"`:                 "rate: want a whole number",
		"rate: true":                 "rate: want a whole number",
		"rate: 010":                  "rate: want a whole number", // YAML takes it for 8
		"rate: 0x10":                 "rate: want a whole number",
		"rate: 99999999999999999999": "rate: want a whole number",
		"rate: [1]":                  "rate: want a whole number",
		"rate: {a: 1}":               "rate: want a whole number",
		"rate: x":                    "rate: want a whole number",
		"strict: 2":                  "strict: want true or false",
		"strict: 1":                  "strict: want true or false",
		`strict: "true"`:             "strict: want true or false",
		"strict: yes":                "strict: want true or false",
		"promotion-delay: 30":        "promotion-delay: this is not a duration: give a number with a unit",
		"promotion-delay: true":      "promotion-delay: this is not a duration",
		"promotion-delay: [30s]":     "promotion-delay: this is not a duration",
		"accept-clusters: 5":         "accept-clusters: YAML reads this as a number",
		"accept-clusters: {a: b}":    "accept-clusters: want a text",
		"accept-clusters: [[a]]":     "accept-clusters[0]: want a text",
		"cluster: [a]":               "cluster: want a text",
		"cluster: !!binary aGk=":     "cluster: want a text",
		"vault: x":                   "vault: want settings, each as key: value",
		"former: x":                  "former: want a list of sections",
		"former: [{a: 1, a: 2}]":     "former: want a list of sections",
		"- rate":                     "want settings, each as key: value",
		"vault.address: a":           "vault.address: write it below its section",
	} {
		line := "line 2"
		if strings.Contains(want, "line ") {
			line = ""
		}
		_, err := load(t, "# settings\n"+yaml+"\n")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), line) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
	for yaml, want := range map[string]config{
		"rate: 12\nstrict: true\npromotion-delay: 30s\naccept-clusters: a, b\nfiles: [\"c,d\"]\nvault: &v {address: x}\n": {Rate: 12, Strict: true, Delay: 30 * time.Second, Accept: []string{"a", "b"}, Files: []string{"c,d"}},
		"rate: 0\nstrict: False\naccept-clusters: []\nfiles: &f [a]\nvault: {address: x}":                                 {Delay: time.Minute, Accept: []string{}, Files: []string{"a"}},
		"rate:\nvault: {address: x}": {Delay: time.Minute},
	} {
		want.Vault.Address = "x"
		if got, err := load(t, yaml); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v, %s", yaml, err, cmp.Diff(want, got))
		}
	}
}

// A variable and a flag are texts, and one rule reads both.
func TestAWrongTextNamesItsVariableOrFlagInOneLine(t *testing.T) {
	for key, wrong := range map[string]map[string]string{
		"rate":            {"0.9": "want a whole number", "x": "want a whole number", "99999999999999999999": "want a whole number"},
		"strict":          {"2": "want true or false", "yes": "want true or false"},
		"promotion-delay": {"30": "want a number with a unit", "soon": "want a number with a unit"},
		"accept-clusters": {`a"b`: "want texts with commas"},
	} {
		for text, want := range wrong {
			variable := "SEALTEST_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
			t.Setenv(variable, text)
			_, err := load(t, "")
			if err == nil || !strings.HasPrefix(err.Error(), variable+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "strconv") {
				t.Errorf("%s=%s: %v", variable, text, err)
			}
			testkit.Check(t, os.Unsetenv(variable))
			root := program(true)
			AddFlags(root.Flags(), &config{})
			var errs bytes.Buffer
			root.SetArgs([]string{"--" + key + "=" + text})
			root.SetOut(&errs)
			root.SetErr(&errs)
			if status := Main(root, 2); status != StatusUsage || !strings.HasPrefix(errs.String(), "program: --"+key+": ") || !strings.Contains(errs.String(), want) || strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("--%s=%s: status %d, %s", key, text, status, errs.String())
			}
		}
	}
	t.Setenv("SEALTEST_FORMER", "x")
	if _, err := load(t, ""); err == nil || !strings.Contains(err.Error(), "SEALTEST_FORMER: it can be set in the configuration file only") {
		t.Error(err)
	}
}

// Where nothing means anything when it is empty, an empty value is a variable of a shell that is not
// set, and must not be taken for a setting that was not given.
func TestEmptyValuesAreRefusedWhereNoneHasAMeaning(t *testing.T) {
	filled := func(yaml string, args ...string) (c config, err error) {
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		AddFlags(flags, &c)
		testkit.Check(t, flags.Parse(args))
		file := filepath.Join(t.TempDir(), "config.yaml")
		testkit.Check(t, os.WriteFile(file, []byte(yaml), 0o600))
		err = Load(flags, Sources{File: file, Prefix: "SEALTEST", Filled: true}, &c)
		return c, err
	}
	for _, args := range [][]string{
		{"--cluster", ""}, {"--cluster", " "}, {"--accept-clusters", ""}, {"--accept-clusters", ","}, {"--accept-clusters", "a,,b"}, {"--accept-clusters", ", a"},
		{"--files", ""}, {"--files", "a", "--files", ""}, {"--vault-address="},
	} {
		if _, err := filled("", args...); err == nil || !strings.HasPrefix(err.Error(), strings.TrimSuffix(args[0], "=")+": ") || !strings.Contains(err.Error(), "empty") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, yaml := range []string{`cluster: ""`, "cluster:", "cluster: ' '", "accept-clusters: ''", "accept-clusters: []", "accept-clusters: ['']", "accept-clusters: 'a,,b'", "accept-clusters: [a, ~]", "accept-clusters:", "vault: {address: ''}"} {
		if _, err := filled(yaml); err == nil || !strings.Contains(err.Error(), "config.yaml, line 1: ") || !strings.Contains(err.Error(), "empty") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", yaml, err)
		}
		if _, err := load(t, yaml); err != nil {
			t.Errorf("where empty values have a meaning: %s: %v", yaml, err)
		}
	}
	t.Setenv("SEALTEST_ACCEPT_CLUSTERS", "a, ,b")
	if _, err := filled(""); err == nil || !strings.HasPrefix(err.Error(), "SEALTEST_ACCEPT_CLUSTERS: an element of the list is empty") {
		t.Error(err)
	}
	t.Setenv("SEALTEST_ACCEPT_CLUSTERS", " a , b ")
	t.Setenv("SEALTEST_CLUSTER", "") // as if it were not set
	if c, err := filled("cluster: x"); err != nil || c.Cluster != "x" || !slices.Equal(c.Accept, []string{"a", "b"}) {
		t.Errorf("%+v, %v", c, err)
	}
}
