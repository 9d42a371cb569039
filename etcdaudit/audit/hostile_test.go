package audit_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

// The facts of an archive may be anything that has their form: each part is taken away in
// turn, and no rule may panic.
func TestFactsWithHolesAreEvaluated(t *testing.T) {
	for _, name := range []string{"kubeadm", "k3s", "systemd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := testkit.Must(hostconfig.Read(t.Context(), hostconfig.Options{Root: filepath.Join("../hostconfig/testdata", name), Now: time.Unix(1796000000, 0)}))(t)
			for i := range h.Etcds {
				h.Etcds[i].Config.Settings = h.Etcds[i].Config.Settings[:3] // a hundred are not a hundred cases
			}
			var tree any
			testkit.Check(t, json.Unmarshal(testkit.Must(json.Marshal(h))(t), &tree))
			n := 0
			holes(tree, func() {
				n++
				var damaged facts.Host
				if err := json.Unmarshal(testkit.Must(json.Marshal(tree))(t), &damaged); err != nil {
					return // an archive of it is refused
				}
				o := audit.Options{Host: &damaged, Groups: rules.Groups{Data: true, Wire: true, Host: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM}
				if _, err := audit.Run(t.Context(), o); err != nil {
					t.Error(err)
				}
			})
			if n < 100 {
				t.Errorf("only %d holes", n)
			}
		})
	}
}

// holes calls try with each part of a JSON document set to null in turn.
func holes(v any, try func()) {
	switch v := v.(type) {
	case map[string]any:
		for key, part := range v {
			v[key] = nil
			try()
			v[key] = part
			holes(part, try)
		}
	case []any:
		for i, part := range v {
			v[i] = nil
			try()
			v[i] = part
			holes(part, try)
		}
	}
}

// A node's name, a path or a setting could hold commands for the terminal of the reader.
func TestNothingOfAnArchiveReachesATerminalAsItIs(t *testing.T) {
	h := testkit.Must(hostconfig.Read(t.Context(), hostconfig.Options{Root: "../hostconfig/testdata/kubeadm", Now: time.Unix(1796000000, 0)}))(t)
	h.Etcds[0].Config.Settings = h.Etcds[0].Config.Settings[:3]
	var tree any
	testkit.Check(t, json.Unmarshal(testkit.Must(json.Marshal(h))(t), &tree))
	n := 0
	spoil(tree, func() bool {
		n++
		return json.Unmarshal(testkit.Must(json.Marshal(tree))(t), &facts.Host{}) == nil
	})
	var changed facts.Host
	testkit.Check(t, json.Unmarshal(testkit.Must(json.Marshal(tree))(t), &changed))
	r := testkit.Must(audit.Run(t.Context(), audit.Options{Host: &changed, Groups: rules.Groups{Host: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM}))(t)
	var table, asJSON bytes.Buffer
	testkit.Check(t, report.Table(&table, r, false))
	testkit.Check(t, report.JSON(&asJSON, r))
	if n < 50 || strings.Contains(table.String(), "\x1b") || strings.Contains(asJSON.String(), `\u001b`) {
		t.Errorf("of %d texts, some are shown as they are: %.2000s", n, asJSON.String()[max(0, strings.Index(asJSON.String(), `\u001b`)-300):])
	}
}

// spoil puts an escape sequence into each text of a JSON document that may have one.
func spoil(v any, may func() bool) {
	change := func(set func(any), part any) {
		text, ok := part.(string)
		if !ok {
			spoil(part, may)
			return
		}
		if set(text + "\x1b[2J"); !may() {
			set(text)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for key, part := range v {
			change(func(to any) { v[key] = to }, part)
		}
	case []any:
		for i, part := range v {
			change(func(to any) { v[i] = to }, part)
		}
	}
}
