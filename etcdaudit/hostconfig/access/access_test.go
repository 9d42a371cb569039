package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/access"
)

// upstream decodes a file with the API server's own code.
func upstream(text string) (runtime.Object, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return runtime.Decode(serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder(), []byte(text))
}

const (
	authorization  = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n"
	authentication = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\n"
	webhook        = `
authorizers:
- type: Webhook
  name: a
  webhook: {timeout: 3s, subjectAccessReviewVersion: v1, matchConditionSubjectAccessReviewVersion: v1, failurePolicy: Deny, authorizedTTL: 5m, unauthorizedTTL: 30s, connectionInfo: {type: InClusterConfig}}
- {type: RBAC, name: rbac}
`
)

func TestAuthorizersAreThoseThatTheAPIServerReads(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string // nil if it is refused
	}{
		"two":                     {authorization + "authorizers: [{type: Node, name: node}, {type: RBAC, name: rbac}]", []string{"Node", "RBAC"}},
		"everything is allowed":   {authorization + "authorizers: [{type: RBAC, name: rbac}, {type: AlwaysAllow, name: alwaysallow}]", []string{"RBAC", "AlwaysAllow"}},
		"a webhook":               {authorization + webhook, []string{"Webhook", "RBAC"}},
		"an earlier version":      {strings.Replace(authorization, "/v1", "/v1alpha1", 1) + "authorizers: [{type: RBAC, name: rbac}]", []string{"RBAC"}},
		"none":                    {authorization, nil},
		"an unknown type":         {authorization + "authorizers: [{type: Rbac, name: rbac}]", nil},
		"a type twice":            {authorization + "authorizers: [{type: RBAC, name: rbac}, {type: RBAC, name: rbac2}]", nil},
		"no name":                 {authorization + "authorizers: [{type: Webhook, webhook: {}}]", nil},
		"a webhook without one":   {authorization + "authorizers: [{type: Webhook, name: a}]", nil},
		"RBAC with a webhook":     {authorization + "authorizers: [{type: RBAC, name: rbac, webhook: {}}]", nil},
		"an unknown field":        {authorization + "authorizers: [{type: RBAC, name: rbac, mode: x}]", nil},
		"a field in another case": {authorization + "Authorizers: [{type: RBAC, name: rbac}]", nil},
		"a key twice":             {authorization + "authorizers: [{type: RBAC, name: rbac}]\nauthorizers: []", nil},
		"a wrong type":            {authorization + "authorizers: RBAC", nil},
		"another kind":            {authentication, nil},
		"no YAML":                 {authorization + "\tauthorizers", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := access.Authorizers([]byte(tc.text))
			if !cmp.Equal(got, tc.want) || (err == nil) != (tc.want != nil) {
				t.Errorf("%v, %v", got, err)
			}
			o, err := upstream(tc.text)
			c, ok := o.(*apiserver.AuthorizationConfiguration)
			accepted := err == nil && ok && len(validation.ValidateAuthorizationConfiguration(authorizationcel.NewDefaultCompiler(), nil, c, sets.New(apiserverconfig.Authorizers()...), sets.New("Webhook"))) == 0
			if accepted != (tc.want != nil) {
				t.Errorf("the API server accepts it: %v (%v)", accepted, err)
			}
		})
	}
	// Beside what k8s.io/apiserver checks, kube-apiserver demands these names.
	if _, err := access.Authorizers([]byte(authorization + "authorizers: [{type: RBAC, name: other}]")); err == nil {
		t.Error("a name that kube-apiserver refuses is taken")
	}
}

func TestAnonymousRequestsAreTakenAsTheAPIServerReadsIt(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		want    *access.Anonymous
		refused bool
	}{
		"nothing":             {authentication, nil, false},
		"nothing but JWT":     {authentication + "jwt: []", nil, false},
		"null":                {authentication + "anonymous: null", nil, false},
		"off":                 {authentication + "anonymous: {enabled: false}", &access.Anonymous{}, false},
		"off by its default":  {authentication + "anonymous: {}", &access.Anonymous{}, false},
		"on":                  {authentication + "anonymous: {enabled: true}", &access.Anonymous{Enabled: true}, false},
		"at two paths":        {authentication + "anonymous: {enabled: true, conditions: [{path: /livez}, {path: /readyz}]}", &access.Anonymous{Enabled: true, Paths: []string{"/livez", "/readyz"}}, false},
		"off, but at a path":  {authentication + "anonymous: {conditions: [{path: /livez}]}", nil, true},
		"a misspelt field":    {authentication + "anonymus: {enabled: false}", nil, true},
		"a text for a choice": {authentication + "anonymous: {enabled: 'no'}", nil, true},
		"another kind":        {authorization, nil, true},
		"an empty file":       {"", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := access.AnonymousIn([]byte(tc.text))
			if !cmp.Equal(got, tc.want) || (err != nil) != tc.refused {
				t.Errorf("%v, %v", got, err)
			}
			o, err := upstream(tc.text)
			c, ok := o.(*apiserver.AuthenticationConfiguration)
			accepted := err == nil && ok && len(validation.ValidateAuthenticationConfiguration(authenticationcel.NewDefaultCompiler(), c, nil)) == 0
			if accepted == tc.refused {
				t.Fatalf("the API server accepts it: %v (%v)", accepted, err)
			}
			if accepted && (c.Anonymous == nil) != (tc.want == nil) || accepted && tc.want != nil && c.Anonymous.Enabled != tc.want.Enabled {
				t.Errorf("the API server reads %+v", c.Anonymous)
			}
		})
	}
}

func TestNoErrorHasAnythingOfTheFile(t *testing.T) {
	for _, text := range []string{"hunter2", authorization + "hunter2: 1", authorization + "authorizers: [{type: hunter2}]", authorization + "authorizers: hunter2", "a: &a [hunter2]\nb: [" + strings.Repeat("*a,", 200_000) + "]"} {
		for _, err := range []error{second(access.Authorizers([]byte(text))), second(access.AnonymousIn([]byte(text)))} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%.40s: %v", text, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }
