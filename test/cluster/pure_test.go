package cluster

import (
	"errors"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sealproof/sealproof/test/components"
)

func TestMetricsAreAddedUpAndComparedByLabel(t *testing.T) {
	t.Parallel()
	m, err := parseMetrics([]byte(`# TYPE requests_total counter
requests_total{verb="GET",code="200"} 3
requests_total{verb="GET",code="500"} 4
requests_total{verb="PUT",code="200"} 5
# TYPE seen_seconds gauge
seen_seconds{id="old",provider="p"} 1.7e9
seen_seconds{id="new",provider="p"} 1.8e9
seen_seconds{id="other",provider="q"} 1.9e9
# TYPE took_seconds histogram
took_seconds_bucket{le="+Inf"} 6
took_seconds_sum 1
took_seconds_count 6
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		labels []string
		want   float64
		found  bool
	}{
		{"requests_total", nil, 12, true},
		{"requests_total", []string{"verb=GET"}, 7, true},
		{"requests_total", []string{"verb=GET", "code=500"}, 4, true},
		{"requests_total", []string{"verb=LIST"}, 0, false},
		{"took_seconds", nil, 6, true},
		{"absent_total", nil, 0, false},
	} {
		if got, found := m.Sum(test.name, test.labels...); got != test.want || found != test.found {
			t.Errorf("Sum(%s, %v) = %g, %v; want %g, %v", test.name, test.labels, got, found, test.want, test.found)
		}
	}
	if got := m.Latest("seen_seconds", "id", "provider=p"); got != "new" {
		t.Errorf("Latest = %q, want new", got)
	}
	if got := m.Latest("seen_seconds", "id", "provider=r"); got != "" {
		t.Errorf("Latest of nothing = %q", got)
	}
}

func TestOnlyWholeKMSValuesAreTakenApart(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"nothing":           "",
		"plaintext":         "k8s\x00...",
		"another provider":  "k8s:enc:aescbc:v1:key1:....",
		"no end of a name":  "k8s:enc:kms:v2:name",
		"not protobuf":      "k8s:enc:kms:v2:name:\xff\xff\xff",
		"a length too long": "k8s:enc:kms:v2:name:\x0a\x7f.",
	} {
		if e, ok := ParseEnvelope([]byte(value)); ok {
			t.Errorf("%s: taken for a KMS v2 value of provider %q", name, e.Provider)
		}
	}
	e, ok := ParseEnvelope([]byte("k8s:enc:kms:v2:name:\x12\x02id"))
	if !ok || e.Provider != "name" || e.Object.GetKeyID() != "id" {
		t.Errorf("a value of provider name with key_id id is taken apart as %+v, %v", e, ok)
	}
}

// It runs by itself, because it changes the environment.
func TestTheEnvironmentChoosesVersions(t *testing.T) {
	for name, test := range map[string]struct {
		etcd, apiServer string
		want            Options
		wrong           bool
	}{
		"nothing is chosen":            {"", "", Options{}, false},
		"a release line":               {"3.6", "1.36", Options{Etcd: components.Etcd36, APIServer: components.APIServer136}, false},
		"a component's name":           {"etcd-3.5", "kube-apiserver", Options{Etcd: components.Etcd35, APIServer: components.APIServer}, false},
		"a version that is not there":  {"2.0", "", Options{}, true},
		"the name of another program":  {"vault", "", Options{}, true},
		"a version of another program": {"1.36", "", Options{}, true},
	} {
		t.Setenv("SEALPROOF_ETCD", test.etcd)
		t.Setenv("SEALPROOF_APISERVER", test.apiServer)
		var got Options
		err := got.VersionsFromEnvironment()
		if (err != nil) != test.wrong {
			t.Errorf("%s: error %v", name, err)
		}
		if err == nil && (got.Etcd != test.want.Etcd || got.APIServer != test.want.APIServer) {
			t.Errorf("%s: %q and %q were chosen", name, got.Etcd, got.APIServer)
		}
	}
}

// TestAReadIsComparedWithWhatMayBeStoredWhileItIsMade takes a read through writes that
// overlap with it.
func TestAReadIsComparedWithWhatMayBeStoredWhileItIsMade(t *testing.T) {
	t.Parallel()
	w := NewSecretWriter()
	key := types.NamespacedName{Namespace: "default", Name: "some"}
	value := func(n byte) digest { return digest{n} }
	check := func(when string, confirmed int, want ...byte) {
		t.Helper()
		for n := byte(1); n <= 5; n++ {
			if got := w.entries[key].allows(value(n), confirmed); got != slices.Contains(want, n) {
				t.Errorf("%s, value %d may be read: %v", when, n, got)
			}
		}
	}
	first := w.send(key, value(1))
	check("while the first write is made", -1, 1)
	first()
	w.send(key, value(2)) // fails
	check("after a write that failed", 0, 1, 2)
	third := w.send(key, value(3))
	before := w.entries[key].confirmed // a read begins
	third()
	check("begun after the third write was confirmed", w.entries[key].confirmed, 3)
	w.send(key, value(4))()
	check("begun before the third and ended after the fourth", before, 1, 2, 3, 4)
	check("begun after the fourth", w.entries[key].confirmed, 4)
}

func TestAStartIsRepeatedWhereTheMachineHasPreventedIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, tail string
		starts     int
	}{
		{"a port is taken", "listen tcp 127.0.0.1:17000: bind: address already in use", 3},
		{"etcd is slow", `"command failed" err="error creating storage factory: etcd grpc connection not ready: context deadline exceeded"`, 3},
		{"roles are not written in time", `PostStartHook "rbac/bootstrap-roles" failed: unable to initialize roles: timed out waiting for the condition`, 3},
		{"a mistake", "unknown flag: --mistake", 1},
	} {
		starts := 0
		_, err := retryStart(func() (int, error) {
			if starts++; starts == 3 {
				return starts, nil
			}
			return 0, errors.Join(&ExitError{Tail: test.tail})
		})
		if starts != test.starts || (err == nil) != (test.starts == 3) {
			t.Errorf("%s: it is started %d times, want %d: %v", test.name, starts, test.starts, err)
		}
	}
}
