package advisory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/advisory"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestAReleaseIsAffectedUntilItsLineIsFixed(t *testing.T) {
	const watch, handshake, crl, nested = "CVE-2026-73499", "CVE-2026-73500", "GHSA-3wh4-j44w-pg92", "CVE-2026-44283"
	rbac := []string{"CVE-2026-33413", "CVE-2026-33343"}
	both := []string{"CVE-2022-3162", "CVE-2022-3294"}
	for _, c := range []struct {
		program, version string
		want             []string
	}{
		{advisory.Etcd, "3.7.3", nil},
		{advisory.Etcd, "3.7.1", nil},
		{advisory.Etcd, "3.7.0", []string{watch, handshake}},
		{advisory.Etcd, "3.7.0-rc.1", []string{crl, watch, handshake}},
		{advisory.Etcd, "3.6.14", nil},
		{advisory.Etcd, "v3.6.13", []string{watch, handshake}},
		{advisory.Etcd, "3.6.11", []string{crl, watch, handshake}},
		{advisory.Etcd, "3.6.8", append(slices.Clone(rbac), nested, crl, watch, handshake)},
		{advisory.Etcd, "3.5.33", nil},
		{advisory.Etcd, "3.5.7", append(slices.Clone(rbac), nested, crl, watch, handshake, "CVE-2021-28235")},
		{advisory.Etcd, "3.4.45", []string{watch, handshake}},
		{advisory.APIServer, "1.37.1", nil},
		{advisory.APIServer, "v1.33.4", nil},
		{advisory.APIServer, "v1.33.4-eks-1234567", nil},
		{advisory.APIServer, "v1.33.4+k3s1", nil},
		{advisory.APIServer, "v1.33.4-rc.0", []string{"CVE-2025-5187"}},
		{advisory.APIServer, "v1.33.3-gke.1136000", []string{"CVE-2025-5187"}},
		{advisory.APIServer, "1.25.3", append([]string{"CVE-2025-5187", "CVE-2024-3177", "CVE-2023-2728"}, both...)},
		{"kine", "0.13.0", nil},
	} {
		var got []string
		for _, a := range testkit.Must(advisory.Match(c.program, c.version))(t) {
			got = append(got, a.ID)
			if a.FixedIn(c.version) == "" {
				t.Errorf("%s %s: %s is fixed nowhere", c.program, c.version, a.ID)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s: %s", c.program, c.version, diff)
		}
	}
	for _, a := range testkit.Must(advisory.Match(advisory.Etcd, "3.6.8"))(t) {
		if a.ID == nested && a.FixedIn("3.6.8") != "3.6.11" {
			t.Errorf("fixed in %s", a.FixedIn("3.6.8"))
		}
	}
}

func TestAVersionThatCannotBeReadIsNotCalledSafe(t *testing.T) {
	for _, version := range []string{"", "3.6", "not_decided", "v3.x.1"} {
		if found, err := advisory.Match(advisory.Etcd, version); err == nil {
			t.Errorf("%q: %v", version, found)
		}
	}
}

func TestEveryAdvisoryHasItsSources(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range testkit.Must(advisory.All())(t) {
		for _, url := range a.Sources {
			if !strings.HasPrefix(url, "https://") {
				t.Errorf("%s: source %q", a.ID, url)
			}
		}
		if seen[a.ID] || a.Title == "" || len(a.Sources) < 2 || len(a.Affected) == 0 || a.Program != advisory.Etcd && a.Program != advisory.APIServer {
			t.Errorf("incomplete, or twice: %+v", a)
		}
		seen[a.ID] = true
		for _, r := range a.Affected {
			// A range that ends before it begins, or a typing error, would never match.
			if found, err := advisory.Match(a.Program, r.Introduced); r.Introduced != "0" && (err != nil || !slices.ContainsFunc(found, func(f advisory.Advisory) bool { return f.ID == a.ID })) {
				t.Errorf("%s: %s is not affected: %v", a.ID, r.Introduced, err)
			}
			if found, err := advisory.Match(a.Program, r.Fixed); err != nil || slices.ContainsFunc(found, func(f advisory.Advisory) bool { return f.ID == a.ID }) {
				t.Errorf("%s: %s is not fixed: %v", a.ID, r.Fixed, err)
			}
		}
	}
}
