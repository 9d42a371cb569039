package main

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/test/testkit"
)

// reloads prepares a reloader of a plugin that runs with a configuration file.
func reloads(t *testing.T, text string, args ...string) (r *reloader, applied *[]string, log *bytes.Buffer, change func(string)) {
	t.Helper()
	path := write(t, text)
	cmd := &cobra.Command{}
	load := addConfigFlags(cmd)
	testkit.Check(t, cmd.ParseFlags(append(args, "--config", path)))
	running := testkit.Must(load())(t)
	applied, log = &[]string{}, &bytes.Buffer{}
	r = &reloader{running: running, load: load, log: slog.New(slog.NewTextHandler(log, nil)),
		apply: func(onRefusal string) error { *applied = append(*applied, onRefusal); return nil }}
	return r, applied, log, func(text string) {
		t.Helper()
		testkit.Check(t, os.WriteFile(path, []byte(text), 0o600))
		log.Reset()
		r.reload()
	}
}

func TestAReloadAppliesOneSettingAndNamesTheOthers(t *testing.T) {
	_, applied, log, change := reloads(t, minimal)
	says := func(want ...string) {
		t.Helper()
		for _, text := range want {
			if !strings.Contains(log.String(), text) {
				t.Errorf("the log does not say %q: %s", text, log)
			}
		}
	}
	change(minimal + "on-refusal: lease\n")
	says("on-refusal has changed", "before=withhold", "on_refusal=lease")
	if strings.Contains(log.String(), "need a restart") {
		t.Errorf("other changes are named although there are none: %s", log)
	}
	change(strings.Replace(minimal, "key: k8s", "key: other", 1) + "on-refusal: drop\nrequest-timeout: 1s\n")
	says("before=lease", "on_refusal=drop", "need a restart", "request-timeout", "vault.key")
	if strings.Contains(log.String(), "on-refusal]") {
		t.Errorf("what was applied is said to wait: %s", log)
	}
	change(minimal) // a line that is gone is the default again
	says("before=drop", "on_refusal=withhold")
	change(minimal)
	says("on-refusal is unchanged")
	if want := []string{"lease", "drop", "withhold", "withhold"}; !slices.Equal(*applied, want) {
		t.Errorf("applied %q, want %q", *applied, want)
	}
}

func TestAReloadOfABadFileChangesNothingAndSaysSo(t *testing.T) {
	for name, text := range map[string]string{
		"a value that does not exist": minimal + "on-refusal: perhaps\n",
		"a key that does not exist":   minimal + "on-refusal: lease\non-refusl: drop\n",
		"another value that is wrong": minimal + "on-refusal: lease\nrequest-timeout: 0s\n",
		"no YAML":                     "on-refusal: [lease\n",
		"nothing":                     "",
	} {
		t.Run(name, func(t *testing.T) {
			r, applied, log, change := reloads(t, minimal)
			change(text)
			if len(*applied) != 0 || r.running.OnRefusal != "withhold" {
				t.Errorf("applied %q", *applied)
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "nothing is changed") || !strings.Contains(log.String(), "on_refusal=withhold") {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestAFlagGoesBeforeTheFileAtAReloadToo(t *testing.T) {
	_, applied, log, change := reloads(t, minimal, "--on-refusal", "drop")
	change(minimal + "on-refusal: lease\n")
	if !slices.Equal(*applied, []string{"drop"}) || !strings.Contains(log.String(), "a flag or KMSPLUGIN_ON_REFUSAL overrides the file") {
		t.Errorf("applied %q: %s", *applied, log)
	}
}
