package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func TestWhatShouldBeIsBesideWhatIs(t *testing.T) {
	encrypted := &auditv1.Group{Values: 2, Protection: auditv1.Protection_PROTECTION_ENCRYPTED, Format: "kms v2", Name: "p", KeyId: "k", AsConfigured: true, OldestRevision: 7}
	old := &auditv1.Group{Values: 1, Protection: auditv1.Protection_PROTECTION_PLAINTEXT, Format: "json", OldestRevision: 3}
	s := &auditv1.Scope{Layer: "live", EncryptionConfigFiles: []string{"e.yaml"}, Resources: []*auditv1.Resource{
		{Resource: "configmaps", Ruled: true, Plaintext: 1, Groups: []*auditv1.Group{old}},
		{Resource: "gizmos", Encrypted: 2, Groups: []*auditv1.Group{encrypted}},
		{Resource: "pods", Ruled: true, Entry: "pods", Providers: []string{"identity", "kms v2 p"}, Encrypted: 2, Groups: []*auditv1.Group{encrypted}},
		{Resource: "routes", Ruled: true, Encrypted: 2, Groups: []*auditv1.Group{encrypted}},
		{Resource: "secrets", Ruled: true, Entry: "*.*", Providers: []string{"kms v2 p", "identity"}, Encrypted: 2, Plaintext: 1, Groups: []*auditv1.Group{encrypted, old}},
	}}
	want := []comparedRow{
		{Resource: "secrets", Should: "kms v2 p, entry *.*", Is: "kms v2 p k", Values: 2, Since: "revision 7"},
		{Resource: "secrets", Should: "kms v2 p, entry *.*", Is: "PLAINTEXT json", Values: 1, Since: "revision 3", Differs: true},
		{Resource: "gizmos", Should: "not known", Is: "kms v2 p k", Values: 2, Since: "revision 7"},
		{Resource: "pods", Should: "plaintext, entry pods", Is: "kms v2 p k", Values: 2, Since: "revision 7"},
		{Resource: "routes", Should: "plaintext, no entry", Is: "kms v2 p k", Values: 2, Since: "revision 7"},
	}
	if diff := cmp.Diff(want, comparedOf(s)); diff != "" {
		t.Error(diff)
	}
	s.Layer = "history"
	if rows := comparedOf(s); rows != nil {
		t.Errorf("of history: %+v", rows)
	}
	s.Layer, s.EncryptionConfigFiles = "live", nil
	if rows := comparedOf(s); rows != nil {
		t.Errorf("without a configuration: %+v", rows)
	}
}
