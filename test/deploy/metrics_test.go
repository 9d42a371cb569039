package deploy

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

// series is one metric as a running plugin exports it: its labels, each with the
// values that were seen.
type series struct {
	kind   dto.MetricType
	labels map[string]map[string]bool
}

// exported returns the metrics of a real plugin on which everything has happened
// that makes one appear.
func exported(ctx context.Context, t *testing.T) map[string]series {
	t.Helper()
	c := newCluster(t)
	vault, role := startVault(ctx, t, c)
	p, err := c.StartPlugin(ctx, cluster.PluginOptions{Vault: vault, Role: role, Key: keyName,
		Config: map[string]any{"probe-interval": "200ms", "probe-interval-failing": "200ms"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.KMS().Encrypt(ctx, &kms.EncryptRequest{Plaintext: []byte("seed"), Uid: "one"}); err != nil {
		t.Fatal(err)
	}
	testkit.Check(t, vault.ConfigureKey(ctx, keyName, map[string]any{"deletion_allowed": true}))
	var metrics cluster.Metrics
	if err := cluster.Until(ctx, func(ctx context.Context) (err error) {
		if metrics, err = p.Metrics(ctx); err != nil {
			return err
		}
		if metrics["sealproof_key_property_changes_total"] == nil {
			return context.DeadlineExceeded // not seen yet
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	found := map[string]series{}
	for name, family := range metrics {
		s := series{kind: family.GetType(), labels: map[string]map[string]bool{}}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if s.labels[label.GetName()] == nil {
					s.labels[label.GetName()] = map[string]bool{}
				}
				s.labels[label.GetName()][label.GetValue()] = true
			}
		}
		found[name] = s
	}
	return found
}

// find returns the metric that a name of PromQL belongs to: a histogram has
// three series and only one name.
func find(metrics map[string]series, name string) (s series, suffix string, ok bool) {
	if s, ok = metrics[name]; ok && s.kind != dto.MetricType_HISTOGRAM {
		return s, "", true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, is := strings.CutSuffix(name, suffix); is && metrics[base].kind == dto.MetricType_HISTOGRAM {
			return metrics[base], suffix, true
		}
	}
	return series{}, "", false
}

type selector struct {
	Metric string
	Labels map[string][]string
	By     []string
}

type alert struct {
	Name        string
	Expr        string
	For         time.Duration
	Labels      map[string]string
	Annotations map[string]string
	Series      []selector
}

func deployedAlerts(t *testing.T) []alert {
	t.Helper()
	return parse[[]alert](t, "rules", "deploy/alerts.yaml")
}

// target are the labels that Prometheus itself adds.
var target = []string{"job", "instance"}

// closed are the labels all of whose values a plugin exports from the start, so
// that a value which is not there is a typing error.
var closed = []string{"state", "hazard", "scope", "served"}

// check reports what an expression asks for and no plugin exports.
func check(t *testing.T, where string, metrics map[string]series, asked []selector) {
	t.Helper()
	for _, a := range asked {
		if a.Metric == "up" {
			continue // Prometheus' own
		}
		s, suffix, ok := find(metrics, a.Metric)
		if !ok {
			t.Errorf("%s asks for %s, which the plugin does not export", where, a.Metric)
			continue
		}
		known := func(label string) bool {
			return s.labels[label] != nil || slices.Contains(target, label) || label == "le" && suffix == "_bucket"
		}
		for label, values := range a.Labels {
			if !known(label) {
				t.Errorf("%s asks for the label %s, which %s does not have", where, label, a.Metric)
			}
			for _, value := range values {
				if slices.Contains(closed, label) && !s.labels[label][value] {
					t.Errorf("%s asks for %s=%q, which %s never has", where, label, value, a.Metric)
				}
			}
		}
		for _, label := range a.By {
			if !known(label) {
				t.Errorf("%s groups by %s, which %s does not have", where, label, a.Metric)
			}
		}
	}
}

// dashboard is what is checked of Grafana's dashboard model.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name string } }
	Panels        []struct {
		ID      int
		Title   string
		Type    string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ RefID, Expr string }
	}
}

func TestAlertsDashboardAndDocsNameWhatThePluginExports(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	metrics := exported(ctx, t)

	t.Run("alerts", func(t *testing.T) {
		for _, a := range deployedAlerts(t) {
			check(t, a.Name, metrics, a.Series)
			if len(a.Series) == 0 {
				t.Errorf("%s asks for nothing", a.Name)
			}
		}
	})
	t.Run("dashboard", func(t *testing.T) {
		checkDashboard(t, metrics)
	})
	t.Run("docs", func(t *testing.T) {
		var want []string
		for name, s := range metrics {
			if strings.HasPrefix(name, "sealproof_") {
				want = append(want, name+" "+strings.Join(slices.Sorted(maps.Keys(s.labels)), " "))
			}
		}
		slices.Sort(want)
		got := documentedMetrics(t)
		slices.Sort(got)
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("docs/alerts.md does not have the metric and labels: %s", line)
			}
		}
		for _, line := range got {
			if !slices.Contains(want, line) {
				t.Errorf("docs/alerts.md has what the plugin does not export: %s", line)
			}
		}
	})
}

func checkDashboard(t *testing.T, metrics map[string]series) {
	t.Helper()
	var d dashboard
	testkit.Check(t, json.Unmarshal(read(t, "deploy/dashboard.json"), &d))
	variables := []string{"$__rate_interval", "5m"}
	for _, v := range d.Templating.List {
		variables = append(variables, "$"+v.Name, ".*")
	}
	replace := strings.NewReplacer(variables...)
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	asked := map[string]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %q has an id that is used twice, or shows nothing", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q lies over %q or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		var exprs []string
		for _, target := range p.Targets {
			expr := replace.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("panel %q uses a variable that is not defined: %s", p.Title, expr)
			}
			exprs = append(exprs, expr)
		}
		for _, selectors := range parse[[][]selector](t, "promql", exprs...) {
			check(t, "panel "+p.Title, metrics, selectors)
			for _, s := range selectors {
				asked[s.Metric] = true
			}
		}
	}
	for name, s := range metrics {
		if strings.HasPrefix(name, "sealproof_") && !asked[name] && (s.kind != dto.MetricType_HISTOGRAM || !asked[name+"_bucket"] && !asked[name+"_sum"]) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// documentedMetrics returns the metrics of docs/alerts.md, each with its labels.
func documentedMetrics(t *testing.T) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(string(read(t, "docs/alerts.md"))) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(cells[1], " `sealproof_") {
			continue
		}
		clean := strings.NewReplacer("`", "", ",", "")
		found = append(found, strings.TrimSpace(clean.Replace(cells[1]))+" "+strings.Join(strings.Fields(clean.Replace(cells[2])), " "))
	}
	return found
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	doc := string(read(t, "docs/alerts.md"))
	sections := map[string]string{}
	for section := range strings.SplitSeq(doc, "\n## ") {
		name, text, _ := strings.Cut(section, "\n")
		text, _, _ = strings.Cut(text, "\n# ")
		sections[name] = text
	}
	alerts := deployedAlerts(t)
	for _, a := range alerts {
		text, ok := sections[a.Name]
		if !ok {
			t.Errorf("docs/alerts.md has no section %s", a.Name)
			continue
		}
		severity := a.Labels["severity"]
		if !slices.Contains([]string{"critical", "warning", "info"}, severity) || !strings.HasPrefix(text, severity) {
			t.Errorf("%s is %q, its section says %.20q", a.Name, severity, text)
		}
		minutes := "at once"
		if a.For > 0 {
			minutes = "after " + strings.TrimSuffix(a.For.String(), "m0s") + " minute"
		}
		if first, _, _ := strings.Cut(text, "."); severity != "info" && !strings.Contains(first, minutes) {
			t.Errorf("%s waits %v, its section says %q", a.Name, a.For, first)
		}
		anchor := "docs/alerts.md#" + strings.ToLower(a.Name)
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || !strings.HasSuffix(a.Annotations["runbook_url"], anchor) {
			t.Errorf("%s lacks a summary, a description, or the link to %s", a.Name, anchor)
		}
	}
	if len(sections) != len(alerts)+1 { // and what is before the first
		t.Errorf("docs/alerts.md has %d sections for %d alerts", len(sections)-1, len(alerts))
	}
}
