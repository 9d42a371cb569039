package controls

import (
	"strings"
	"testing"
)

func TestDataThatLacksSomethingIsRefused(t *testing.T) {
	const head = "catalogue: C\nversion: \"1\"\nsource: https://example.com\n"
	control := func(more string) string { return head + "controls:\n- id: A\n  title: t\n" + more }
	for name, tc := range map[string]struct{ text, says string }{
		"no YAML":                             {"a: [", "yaml"},
		"an unknown key":                      {control("  chekcs: []\n"), `unknown field "chekcs"`},
		"a key twice":                         {control("  title: u\n"), "already set"},
		"no source":                           {strings.Replace(control(""), "source", "#", 1), "are needed"},
		"no controls":                         {head, "want controls"},
		"controls twice":                      {control("") + "controls-of: other\n", "want controls"},
		"a control twice":                     {control("- {id: A, title: t}\n"), `control "A"`},
		"no title":                            {head + "controls: [{id: A}]\n", `control "A"`},
		"a relation that there is not":        {control("  checks: [{check: EA-1, relation: compliant}]\n"), `check "EA-1"`},
		"a part without a note":               {control("  checks: [{check: EA-1, relation: partly}]\n"), `check "EA-1"`},
		"a check twice":                       {control("  checks: [{check: EA-1, relation: evidences}, {check: EA-1, relation: evidences}]\n"), `check "EA-1"`},
		"a letter that asks for nothing":      {control("  letter: {asks: it}\n"), "letter"},
		"a letter of an unknown program":      {control("  letter: {asks: it, program: kine, settings: [{name: a, given: true}]}\n"), `"kine"`},
		"a setting of which nothing is asked": {control("  letter: {asks: it, program: etcd, settings: [{name: a}]}\n"), "what is asked"},
		"a mode that is none":                 {control("  letter: {asks: it, key-mode-at-most: rwx}\n"), `mode "rwx"`},
		"a file without mode or owner":        {control("  letter: {asks: it, program: etcd, files: [{setting: data-dir}]}\n"), "a mode or an owner"},
		"a group without an owner":            {control("  letter: {asks: it, program: etcd, files: [{setting: data-dir, mode-at-most: \"0700\", group: etcd}]}\n"), "a mode or an owner"},
		"a letter in two ways":                {control("  letter: {asks: it, key-mode-at-most: \"0600\", not-in-report: x}\n"), "one of the ways"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse("c", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "controls: c: ") {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := parse("c", []byte(control("  checks: [{check: EA-1, relation: needs-human, note: n}]\n"))); err != nil {
		t.Error(err)
	}
}
