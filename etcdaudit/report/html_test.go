package report_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// elements are all of a page, in order.
func elements(t *testing.T, page string) (all []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, name string) (value string, ok bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// usual are the names of the elements that a page has.
func usual(t *testing.T, page string) map[string]int {
	t.Helper()
	names := map[string]int{}
	for _, n := range elements(t, page) {
		names[n.Data]++
	}
	return names
}

func TestThePageNeedsNothingElse(t *testing.T) {
	page := as(t, report.FormatHTML, everything())
	ids := map[string]bool{}
	for _, n := range elements(t, page) {
		if id, ok := attribute(n, "id"); ok {
			if ids[id] {
				t.Errorf("the anchor %s stands twice", id)
			}
			ids[id] = true
		}
	}
	for _, n := range elements(t, page) {
		for _, a := range n.Attr {
			switch {
			case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
				// The checks of a shortened report are not all there.
				if to := strings.TrimPrefix(a.Val, "#"); !ids[to] && !strings.HasPrefix(to, "check-EA-") {
					t.Errorf("%s leads nowhere", a.Val)
				}
			case a.Key == "href", a.Key == "src", a.Key == "style", strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "script", "link", "img", "iframe", "object", "embed", "form", "base":
			t.Errorf("<%s>", n.Data)
		case "style":
			hash := sha256.Sum256([]byte(n.FirstChild.Data))
			if !strings.Contains(page, "style-src &#39;sha256-"+strings.ReplaceAll(base64.StdEncoding.EncodeToString(hash[:]), "+", "&#43;")) {
				t.Error("the policy allows another style than this one")
			}
			if regexp.MustCompile(`url\(|@import|@font-face`).MatchString(n.FirstChild.Data) {
				t.Error("the style loads something")
			}
		}
	}
	for _, id := range []string{"EA-101", "EA-302", "f-0123456789abcdef0123456789abcdef", "check-EA-403", "scope", "first", "findings", "accepted", "not-evaluated", "controls", "stored", "listeners", "certificates", "private-keys", "readers", "configurations", "checks"} {
		if !ids[id] {
			t.Errorf("there is no anchor %s", id)
		}
	}
}

// Every text of a report may have been chosen by whoever can name an object, or serve a
// certificate.
func TestNoNameBecomesAPartOfThePage(t *testing.T) {
	want := usual(t, as(t, report.FormatHTML, everything()))
	for _, name := range []string{
		`</style><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, `{{.}}`, `--></title><base href="https://evil.example">`, `</td></tr></table><form>`,
	} {
		r := everything()
		fill(t, r, name)
		page := as(t, report.FormatHTML, r)
		got := usual(t, page)
		for _, element := range []string{"script", "img", "base", "form", "style", "title", "table", "iframe"} {
			if got[element] != want[element] {
				t.Errorf("%s: %d of <%s>, want %d", name, got[element], element, want[element])
			}
		}
		for _, n := range elements(t, page) {
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

// fill puts a text behind every text of a report but those that the writers look at.
func fill(t *testing.T, r *auditv1.Report, text string) {
	t.Helper()
	if err := protorange.Range(r.ProtoReflect(), func(v protopath.Values) error {
		at, holder := v.Index(-1), v.Index(-2)
		old, ok := at.Value.Interface().(string)
		if !ok || old == "" {
			return nil
		}
		switch value := protoreflect.ValueOfString(old + text); at.Step.Kind() {
		case protopath.ListIndexStep:
			holder.Value.List().Set(at.Step.ListIndex(), value)
		case protopath.FieldAccessStep:
			if name := at.Step.FieldDescriptor().Name(); name != "layer" && name != "outcome" && name != "request" {
				holder.Value.Message().Set(at.Step.FieldDescriptor(), value)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameWordsOfSeveralTargetsAreOneFinding(t *testing.T) {
	r := everything()
	r.Checks[1].Results = []*auditv1.Result{
		{Target: "a", Status: fail, Summary: "x", Remediation: "y"}, {Target: "b", Status: fail, Summary: "x", Remediation: "y"}, {Target: "c", Status: fail, Summary: "z"},
	}
	var anchors []string
	for _, n := range elements(t, as(t, report.FormatHTML, r)) {
		if id, _ := attribute(n, "id"); n.Data == "article" && strings.HasPrefix(id, "EA-302") {
			anchors = append(anchors, id)
		}
	}
	if strings.Join(anchors, " ") != "EA-302 EA-302-2" {
		t.Errorf("%q", anchors)
	}
}

func TestThePageTellsFindingsByTheSeverityThatFails(t *testing.T) {
	r := everything()
	info := &auditv1.Check{Id: "EA-998", Title: "x", Severity: auditv1.Severity_SEVERITY_INFO, Status: warn, Results: []*auditv1.Result{{Status: warn, Summary: "x", Remediation: "y"}}}
	newer := &auditv1.Check{Id: "EA-999", Title: "x", Severity: medium, Results: []*auditv1.Result{{Reason: "a status of a later version"}}}
	r.Checks = append(r.Checks, info, newer)
	r.Verdict.FailOn = low
	r.Scopes[0].Text = r.Checks[0].Results[0].Evidence[0].Source // the only evidence, which the table shows above
	r.Listeners[0].Connections = append(r.Listeners[0].Connections, connection("kubelet", "Range /registry/", "denied", "permission denied"))
	page := as(t, report.FormatHTML, r)
	for _, want := range []string{`<li class="fail"><b>1</b> low</li>`, `<li class="warn"><b>1</b> info</li>`, "a status of a later version", "<dt>Evidence</dt>", "<b>denied</b>"} {
		if !strings.Contains(strings.ReplaceAll(page, "A status", "a status"), want) {
			t.Errorf("no %s", want)
		}
	}
	if text, _ := shownIn(t, page, "first"); strings.Contains(text, "more below") {
		t.Errorf("what needs nothing is counted: %q", text)
	}
	if text, _ := shownIn(t, page, "not-evaluated"); !strings.Contains(text, "EA-999") {
		t.Errorf("%q", text)
	}
	if text, _ := shownIn(t, page, "EA-101"); !strings.Contains(text, "Evidence") {
		t.Errorf("%q", text)
	}
}
