package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

const (
	widgets = "/registry/example.com/widgets/default/a"
	defines = `{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"widgets.example.com"},` +
		`"spec":{"group":"example.com","names":{"plural":"widgets","kind":"Widget"}}}`
)

// selective unwraps what has annotations, and refuses the rest.
type selective struct{}

func (selective) Unwrap(_ context.Context, s verify.Source) ([]byte, error) {
	if len(s.Annotations) == 0 {
		return nil, &verify.UnwrapError{Outcome: verify.Refused, Err: errors.New("no annotations")}
	}
	return make([]byte, 32), nil
}

// withDamage is a source of which one place could not be read.
type withDamage struct{ record.Source }

func (withDamage) Remains() map[record.Layer]*record.Remains {
	var r record.Remains
	r.AddDamage(record.Origin{Layer: record.Live, File: "cut"}, "a page was cut")
	return map[record.Layer]*record.Remains{record.Live: &r}
}

func layer(name string, of record.Layer, cluster string, values map[string]string) record.Source {
	var all []record.Record
	for key, value := range values {
		all = append(all, record.Record{Key: []byte(key), Value: []byte(value), ModRevision: 1, Origin: record.Origin{Layer: of}})
	}
	return stored.Source{Scope: record.Scope{Layer: of, ClusterID: cluster, Prefix: "/registry/", Sources: []record.Input{{Name: name, Bytes: 1}}}, All: all}
}

// What one source shows of a cluster counts for the others of it, and for no other cluster.
func TestWhatWasOpenedIsSettledOverAllSources(t *testing.T) {
	v := &audit.Verification{Unwrappers: []*verify.Pacer{verify.Paced("the plugin", selective{}, verify.Pace{PerSecond: 1000}, slog.New(slog.DiscardHandler))}}
	v.Sources = verify.NewSources(v.Unwrappers[0])
	defer v.Sources.Clear()
	gadget := `{"apiVersion":"example.com/v1","kind":"Gadget","metadata":{"name":"a","namespace":"default"}}`
	changed, whole := stored.KMSv2("p", "k1", 1), stored.KMSv2("p", "k1", 1, "a.example", "1")
	r := testkit.Must(audit.Run(t.Context(), audit.Options{
		Groups: rules.Groups{Data: true, Verify: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM, Verify: v,
		Sources: []record.Source{
			layer("wal", record.WAL, "c", map[string]string{widgets: gadget, "/registry/secrets/default/a": changed}),
			layer("db", record.Live, "c", map[string]string{"/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com": defines, "/registry/secrets/default/b": whole}),
			layer("other", record.Live, "d", map[string]string{widgets: gadget}),
		},
	}))(t)
	var said []string
	for _, c := range r.Checks {
		for _, result := range c.Results {
			if strings.HasPrefix(c.Id, "EA-14") && result.Target != "" {
				layer, _, _ := strings.Cut(result.Target, ":")
				said = append(said, strings.Join([]string{c.Id, layer, strings.TrimPrefix(result.Status.String(), "STATUS_"), result.Summary + result.Reason}, " "))
			}
		}
	}
	for _, want := range []string{
		"EA-142 wal WARN 1 of 2 values cannot be decrypted: 1 annotations changed", "EA-144 wal WARN 1 of 2 values hold another object",
		"EA-143 live NOT_EVALUATED the kind of 1 value was not compared",
	} {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("nothing says %q: %q", want, said)
		}
	}
	for _, one := range r.Verification.Verified {
		if strings.HasPrefix(one.Scope, "wal:") && (len(one.Outcomes) != 2 || one.Outcomes[1].Outcome != "annotations changed") {
			t.Errorf("%v", one)
		}
	}
	if n := len(r.Verification.Restores); n != 2 || r.Verification.DekSources != 2 || r.Verification.Unwrappers[0].Requests != 2 {
		t.Errorf("%v", r.Verification)
	}
}

// What could not be read may not open: that each of the rest does is not said of the whole.
func TestARestoreOfADamagedDatabaseSaysThatValuesAreMissing(t *testing.T) {
	values := map[string]string{"/registry/secrets/default/a": stored.Plaintext}
	damaged := withDamage{layer("cut", record.Live, "c", values)}
	v := &audit.Verification{Sources: verify.NewSources(nil)}
	r := testkit.Must(audit.Run(t.Context(), audit.Options{
		Groups: rules.Groups{Data: true, Verify: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM, Verify: v,
		Sources: []record.Source{damaged, layer("whole", record.Live, "d", values)},
	}))(t)
	var said []string
	for _, one := range r.Verification.Restores {
		said = append(said, one.Unread)
	}
	if !slices.Equal(said, []string{"1 place could not be read: see EA-124", ""}) {
		t.Errorf("%q", said)
	}
}

func TestNothingIsSaidOfOpeningUnlessItWasAskedFor(t *testing.T) {
	r := testkit.Must(audit.Run(t.Context(), audit.Options{
		Groups: rules.Groups{Data: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM, Sources: []record.Source{layer("db", record.Live, "c", map[string]string{widgets: "{}"})},
	}))(t)
	if r.Verification != nil || slices.ContainsFunc(r.Checks, func(c *auditv1.Check) bool { return strings.HasPrefix(c.Id, "EA-14") }) {
		t.Errorf("%v", r.Verification)
	}
}
