package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sealproof/sealproof/etcdaudit/fleet"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

const (
	pass         = auditv1.Status_STATUS_PASS
	fail         = auditv1.Status_STATUS_FAIL
	inapplicable = auditv1.Status_STATUS_NOT_APPLICABLE
	unevaluated  = auditv1.Status_STATUS_NOT_EVALUATED
)

func set(c *auditv1.Configuration, name, value, origin string) {
	c.Settings = slices.DeleteFunc(c.Settings, func(s *auditv1.Setting) bool { return s.Name == name })
	c.Settings = append(c.Settings, &auditv1.Setting{Name: name, Value: value, Origin: origin})
}

func etcd(r *auditv1.Report) *auditv1.Configuration   { return r.Configurations[0] }
func server(r *auditv1.Report) *auditv1.Configuration { return r.Configurations[1] }

// node is the report of a usual node of kubeadm.
func node(name, address string) *auditv1.Report {
	member := &auditv1.Configuration{Program: "etcd", Name: "etcd", Source: "/etc/kubernetes/manifests/etcd.yaml", Release: "3.6", Version: "3.6.5", Node: name}
	for setting, value := range map[string]string{
		"name": name, "listen-client-urls": "https://127.0.0.1:2379,https://" + address + ":2379", "client-cert-auth": "true", "auto-tls": "false", "client-crl-file": "",
		"trusted-ca-file": "/pki/etcd/ca.crt", "cert-file": "/pki/etcd/server.crt", "key-file": "/pki/etcd/server.key", "peer-trusted-ca-file": "/pki/etcd/ca.crt",
	} {
		set(member, setting, value, "--"+setting)
	}
	set(member, "max-txn-ops", "128", "default of etcd 3.6")
	api := &auditv1.Configuration{
		Program: "kube-apiserver", Name: "kube-apiserver", Source: "/etc/kubernetes/manifests/kube-apiserver.yaml", Version: "1.36.3", Node: name,
		EncryptionFile: &auditv1.EncryptionConfiguration{File: "/enc.yaml", Hash: "sha256:e", Rules: []*auditv1.EncryptionRule{{Resource: "secrets", Providers: []string{"aescbc k1", "identity"}}}},
	}
	for setting, value := range map[string]string{
		"advertise-address": address, "client-ca-file": "/pki/ca.crt", "etcd-cafile": "/pki/etcd/ca.crt", "tls-cert-file": "/pki/apiserver.crt", "tls-private-key-file": "/pki/apiserver.key",
		"profiling": "false", "service-account-signing-key-file": "/pki/sa.key",
	} {
		set(api, setting, value, "--"+setting)
	}
	key := func(file, hmac string) *auditv1.PrivateKey {
		return &auditv1.PrivateKey{Node: name, File: file, Hmac: hmac, FingerprintKey: "f1"}
	}
	return &auditv1.Report{
		Tool:           &auditv1.Tool{Name: "etcdaudit"},
		Scopes:         []*auditv1.Scope{{Id: "host:" + name, Layer: "host", LayerName: "host", Node: name}},
		Configurations: []*auditv1.Configuration{member, api},
		Checks: []*auditv1.Check{
			{Id: "EA-403", Severity: auditv1.Severity_SEVERITY_HIGH, Results: []*auditv1.Result{{Target: "etcd", Status: pass, Summary: "it is", Node: name}}},
			{Id: "EA-501", Severity: auditv1.Severity_SEVERITY_HIGH, Results: []*auditv1.Result{{Target: "etcd: /var/lib/etcd", Status: pass, Summary: "0700", Node: name}}},
		},
		Certificates: []*auditv1.Certificate{
			{Fingerprint: "sha256:aaaaaaaaaaaaaaaaaaaa", Subject: "CN=etcd-ca", OnDisk: []string{"/pki/etcd/ca.crt"}, TrustedIn: []string{"/pki/etcd/ca.crt"}, Authority: true},
			{Fingerprint: "sha256:cccccccccccccccccccc", Subject: "CN=kubernetes", OnDisk: []string{"/pki/ca.crt"}, Authority: true, HasKey: true},
			{Fingerprint: "sha256:" + name, Subject: "CN=" + name, Serial: "1", OnDisk: []string{"/pki/etcd/server.crt"}, HasKey: true},
		},
		PrivateKeys:  []*auditv1.PrivateKey{key("/pki/sa.key", "5a5a"), key("/pki/etcd/server.key", "00"+name), key("/enc.yaml: aescbc k1", "e1")},
		NotEvaluated: []*auditv1.Layer{{Id: outcome.OtherNode, Name: "another node, etcd: 192.0.2.11"}, {Id: outcome.OtherNode, Name: "another node, etcd: 192.0.2.99"}},
	}
}

func three() []*auditv1.Report {
	return []*auditv1.Report{node("cp-2", "192.0.2.11"), node("cp-1", "192.0.2.10"), node("cp-3", "192.0.2.12")}
}

func merged(t *testing.T, reports ...*auditv1.Report) *auditv1.Report {
	t.Helper()
	r := testkit.Must(fleet.Merge(given(reports)))(t)
	outcome.Settle(r, outcome.Options{FailOn: auditv1.Severity_SEVERITY_MEDIUM})
	return r
}

// given names each report by its place: "1.json".
func given(reports []*auditv1.Report) (all []fleet.Given) {
	for i, r := range reports {
		all = append(all, fleet.Given{File: fmt.Sprintf("%d.json", i+1), Report: r})
	}
	return all
}

func checkOf(t *testing.T, r *auditv1.Report, id string) *auditv1.Check {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c *auditv1.Check) bool { return c.Id == id })
	if i < 0 {
		t.Fatalf("there is no check %s", id)
	}
	return r.Checks[i]
}

func TestReportsOfSeveralNodesBecomeOne(t *testing.T) {
	reports := three()
	reports[0].NotEvaluated = append(reports[0].NotEvaluated, &auditv1.Layer{Id: outcome.NotFound, Name: "/etc/x", Reason: "permission denied"})
	reports[2].Checks[0].Results[0].Status = fail
	before := []*auditv1.Report{proto.CloneOf(reports[0]), proto.CloneOf(reports[1]), proto.CloneOf(reports[2])}
	r := merged(t, reports...)
	if diff := cmp.Diff(before, reports, protocmp.Transform()); diff != "" {
		t.Errorf("what was given has changed:\n%s", diff)
	}
	for i, want := range []struct {
		node   string
		status auditv1.Status
	}{{"cp-1", pass}, {"cp-2", unevaluated}, {"cp-3", fail}} {
		if s := r.Scopes[i]; s.Node != want.node || s.Verdict.Status != want.status {
			t.Errorf("scope %d: %s %v, want %v", i, s.Node, s.Verdict, want)
		}
	}
	if r.Verdict.Status != fail {
		t.Errorf("verdict %v", r.Verdict)
	}
	if c := checkOf(t, r, "EA-403"); len(c.Results) != 3 || c.Results[1].Node != "cp-2" {
		t.Errorf("EA-403: %v", c.Results)
	}
	var ids []string
	for _, c := range r.Checks {
		ids = append(ids, c.Id)
		if strings.HasPrefix(c.Id, "EA-6") && c.Status != pass {
			t.Errorf("%s of equal nodes: %v", c.Id, c.Results)
		}
	}
	if !slices.IsSorted(ids) || len(r.Configurations) != 6 || len(r.PrivateKeys) != 9 {
		t.Errorf("checks %v, %d configurations, %d keys", ids, len(r.Configurations), len(r.PrivateKeys))
	}
	if len(r.Certificates) != 5 || len(r.Certificates[0].OnDisk) != 3 || r.Certificates[0].OnDisk[0] != "cp-1:/pki/etcd/ca.crt" {
		t.Errorf("certificates: %v", r.Certificates)
	}
	var layers []string
	for _, l := range r.NotEvaluated {
		layers = append(layers, l.Node+" "+l.Name)
	}
	want := []string{"cp-1 another node, etcd: 192.0.2.99", "cp-2 another node, etcd: 192.0.2.99", "cp-2 cp-2: /etc/x", "cp-3 another node, etcd: 192.0.2.99"}
	if diff := cmp.Diff(want, layers); diff != "" {
		t.Errorf("not evaluated (-want +got): %s", diff)
	}
	slices.Reverse(reports)
	if diff := cmp.Diff(r, merged(t, reports...), protocmp.Transform()); diff != "" {
		t.Errorf("the order of the reports matters:\n%s", diff)
	}
}

func TestTheSameStoreReadFromTwoNodesIsTwoScopes(t *testing.T) {
	one, two := node("cp-1", "192.0.2.10"), node("cp-2", "192.0.2.11")
	for _, r := range []*auditv1.Report{one, two} {
		r.Scopes = append(r.Scopes, &auditv1.Scope{Id: "live:c:/registry/", Layer: "live"})
		r.Checks = append(r.Checks, &auditv1.Check{Id: "EA-101", Results: []*auditv1.Result{{Target: "live:c:/registry/", Status: pass}, {Target: "live:c:/registry/: x", Status: pass}}})
		r.NotEvaluated = append(r.NotEvaluated, &auditv1.Layer{Id: "history", Store: "c"}, &auditv1.Layer{Id: "outside-prefix", Store: "c", Scope: "live:c:/registry/"})
	}
	for _, r := range []*auditv1.Report{one, two} {
		r.Runbook = []*auditv1.Step{{Store: "c", Title: "Compact the history"}}
		r.Timelines = []*auditv1.Timeline{{}}
		r.Verification = &auditv1.Verification{
			DekSources: 2, Unwrappers: []*auditv1.Unwrapper{{Name: "the KMS plugin"}},
			Verified: []*auditv1.Verified{{Scope: "live:c:/registry/"}}, Restores: []*auditv1.Restore{{Scope: "live:c:/registry/"}},
		}
	}
	r := merged(t, one, two)
	if v := r.Verification; v.DekSources != 4 || len(v.Unwrappers) != 2 || v.Unwrappers[1].Node != "cp-2" || len(v.Verified) != 2 || v.Verified[0].Scope != "live:c:/registry/" ||
		v.Verified[1].Scope != "live:c:/registry/ from cp-2" || len(v.Restores) != 2 || v.Restores[1].Scope != v.Verified[1].Scope {
		t.Errorf("%v", v)
	}
	if steps := r.Runbook; len(steps) != 2 || steps[0].Node != "cp-1" || steps[1].Node != "cp-2" {
		t.Errorf("runbook: %v", steps)
	}
	if len(r.Timelines) != 1 {
		t.Errorf("the same timeline is there %d times", len(r.Timelines))
	}
	var targets []string
	for _, result := range checkOf(t, r, "EA-101").Results {
		targets = append(targets, result.Target)
	}
	if want := []string{"live:c:/registry/", "live:c:/registry/: x", "live:c:/registry/ from cp-2", "live:c:/registry/ from cp-2: x"}; !slices.Equal(targets, want) {
		t.Errorf("%q", targets)
	}
	var layers []string
	for _, l := range r.NotEvaluated {
		if l.Id != outcome.OtherNode {
			layers = append(layers, l.Id+" "+l.Scope)
		}
	}
	// What is left of one store is the same from both nodes; what lies beside a scope is that scope's.
	if want := []string{"history ", "outside-prefix live:c:/registry/", "outside-prefix live:c:/registry/ from cp-2"}; !slices.Equal(layers, want) {
		t.Errorf("not evaluated: %q, want %q", layers, want)
	}
}

func TestOneReportHasNothingToBeComparedWith(t *testing.T) {
	r := merged(t, node("cp-1", "192.0.2.10"))
	for _, rule := range fleet.Rules() {
		if c := checkOf(t, r, rule.ID); c.Status != inapplicable || !strings.Contains(c.Summary, "one node") {
			t.Errorf("%s: %v %s", rule.ID, c.Status, c.Summary)
		}
	}
	if r.Scopes[0].Verdict != nil {
		t.Error("one node has a verdict beside that of the report")
	}
}

// Reports are put together in a time that does not grow with the square of their lists.
func TestLongListsArePutTogetherInTime(t *testing.T) {
	one, two := node("cp-1", "192.0.2.10"), node("cp-2", "192.0.2.11")
	for _, r := range []*auditv1.Report{one, two} {
		for i := range 50_000 {
			name := fmt.Sprint(i)
			r.NotEvaluated = append(r.NotEvaluated, &auditv1.Layer{Id: outcome.OtherNode, Name: name})
			r.Readers = append(r.Readers, &auditv1.Reader{Name: name})
			r.Certificates[0].ServedAt = append(r.Certificates[0].ServedAt, name)
			server(r).Settings = append(server(r).Settings, &auditv1.Setting{Name: name})
		}
	}
	start := time.Now()
	r := merged(t, one, two)
	if took := time.Since(start); took > time.Minute { // the square took hours
		t.Errorf("it took %v", took)
	}
	if len(r.Readers) != 50_000 || len(r.Certificates[0].ServedAt) != 50_000 {
		t.Errorf("%d readers, %d addresses", len(r.Readers), len(r.Certificates[0].ServedAt))
	}
}

func TestReportsThatCannotBePutTogetherAreRefused(t *testing.T) {
	one, two := node("cp-1", "192.0.2.10"), node("cp-2", "192.0.2.11")
	renamed := node("cp-1", "192.0.2.77")
	for name, tt := range map[string]struct {
		reports []*auditv1.Report
		says    string
	}{
		"none":               {nil, "there is no report"},
		"the same twice":     {[]*auditv1.Report{one, two, proto.CloneOf(one)}, "1.json and 3.json are the same (node cp-1)"},
		"two of one name":    {[]*auditv1.Report{one, renamed}, "1.json and 2.json are both of a node called cp-1"},
		"of no node":         {[]*auditv1.Report{one, {}}, "2.json is of no node"},
		"of several already": {[]*auditv1.Report{node("cp-3", "192.0.2.12"), merged(t, one, two)}, "2.json is already about several nodes (cp-1, cp-2 …): give the reports or archives of the single nodes"},
	} {
		if _, err := fleet.Merge(given(tt.reports)); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
