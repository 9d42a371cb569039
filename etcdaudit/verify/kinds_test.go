package verify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
)

const definition = `{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"widgets.example.com"},` +
	`"spec":{"group":"example.com","names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"},"scope":"Namespaced"}}`

const definitionKey = "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com"

func widget(kind, name string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"example.com/v1","kind":%q,"metadata":{"name":%q,"namespace":"default"}}`, kind, name)
}

func widgetKey(name string) string { return "/registry/example.com/widgets/default/" + name }

// The kind of a custom resource is in its definition, which can come behind its objects, and be
// encrypted as they are.
func TestTheKindOfACustomResourceIsThatOfItsDefinition(t *testing.T) {
	p := newPlugin(t, 1, "k1", nil)
	server := p.apiServer(t, true)
	o, _ := opener(t, p)
	for _, encrypted := range []bool{false, true} {
		tally := verify.NewTally()
		add := func(key string, value []byte, retracted bool) verify.Result {
			if encrypted {
				value = write(t, server, key, value)
			}
			r := open(t, o, key, value)
			tally.Add(record.Record{Key: []byte(key), ModRevision: 1, Retracted: retracted}, r)
			return r
		}
		add(widgetKey("a"), widget("Widget", "a"), false)
		add(widgetKey("b"), widget("Gadget", "b"), false)
		add(widgetKey("c"), widget("Gadget", "c"), false)
		add(widgetKey("c"), widget("Gadget", "c"), true)
		add("/registry/example.com/gizmos/default/d", widget("Gizmo", "d"), false)
		if r := add(definitionKey, []byte(definition), false); r.Defines != (verify.Kind{Path: "example.com/widgets", Name: "Widget"}) {
			t.Errorf("encrypted %v: %+v", encrypted, r)
		}
		if n := tally.Identities; n[verify.SameName] != 3 || n[verify.Same] != 1 || n[verify.Differs] != 0 {
			t.Errorf("before: %v", n)
		}
		tally.Settle(nil, tally.Defined)
		if n := tally.Identities; n[verify.SameName] != 1 || n[verify.Same] != 2 || n[verify.Differs] != 1 {
			t.Errorf("after: %v", n)
		}
		if got := tally.Kindless(); !slices.Equal(got, []string{"example.com/gizmos"}) {
			t.Errorf("without a kind: %q", got)
		}
		f := tally.Findings()
		if len(f) != 1 || f[0].Key != widgetKey("b") || f[0].Result.Holds.Kind != "Gadget" || f[0].Result.Outcome != verify.Opened {
			t.Errorf("%+v", f)
		}
	}
}

func TestWhatIsNoDefinitionDefinesNothing(t *testing.T) {
	o, _ := opener(t, nil)
	for what, tc := range map[string]struct{ key, value string }{
		"under another name":          {"/registry/apiextensions.k8s.io/customresourcedefinitions/gizmos.example.com", definition},
		"under another resource":      {"/registry/example.com/customresourcedefinitions/widgets.example.com", definition},
		"without its names":           {definitionKey, `{"kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com"}}`},
		"with names of another shape": {definitionKey, `{"kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","names":7}}`},
	} {
		if r := open(t, o, tc.key, []byte(tc.value)); r.Defines != (verify.Kind{}) {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

func TestKindsAreBounded(t *testing.T) {
	o, _ := opener(t, nil)
	tally := verify.NewTally()
	for i := range 6000 {
		key := fmt.Sprintf("/registry/a%d.example.com/widgets/default/a", i)
		tally.Add(record.Record{Key: []byte(key)}, open(t, o, key, widget("Widget", "a")))
	}
	if n := len(tally.Kindless()); n != 5000 || tally.Identities[verify.SameName] != 6000 {
		t.Errorf("%d kinds of %v", n, tally.Identities)
	}
}

func TestAPacerCountsWhatItWasAsked(t *testing.T) {
	refused := &verify.UnwrapError{Outcome: verify.WrongKey, Err: errors.New("refused")}
	a := &answers{errs: []error{nil, refused, errors.New("silent"), nil}}
	p := verify.Paced("the plugin", a, verify.Pace{PerSecond: 10_000, GiveUp: 3}, slog.New(slog.DiscardHandler))
	for _, id := range []string{"k2", "k3", "k4", "k1"} {
		_, _ = p.Unwrap(t.Context(), verify.Source{KeyID: id})
	}
	got := p.Asked()
	if got.Name != "the plugin" || got.Requests != 4 || got.Opened != 2 || got.Unanswered != 1 || !slices.Equal(got.KeyIDs, []string{"k1", "k2"}) {
		t.Errorf("%+v", got)
	}
}

// hanging answers when its context ends.
type hanging struct{}

func (hanging) Unwrap(ctx context.Context, _ verify.Source) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestARequestHasATimeout(t *testing.T) {
	p := verify.Paced("the plugin", hanging{}, verify.Pace{Timeout: time.Millisecond}, slog.New(slog.DiscardHandler))
	if _, err := p.Unwrap(t.Context(), verify.Source{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
