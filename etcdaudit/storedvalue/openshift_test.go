package storedvalue_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/apiresource"
)

// The pairs are those of github.com/openshift: specialDefaultResourcePrefixes of
// openshift-apiserver 56aa2d96 and oauth-apiserver 467c6318, and the storage
// that each registers under its plural name.
func TestKeysUnderOpenShiftsPrefixAreOfItsResources(t *testing.T) {
	const oauth, openshift = apiresource.OAuthAPIServer, apiresource.OpenShiftAPIServer
	for key, want := range map[string]struct{ resource, server, namespace, name string }{
		"oauth/accesstokens/sha256~a":           {"oauthaccesstokens.oauth.openshift.io", oauth, "", "sha256~a"},
		"oauth/authorizetokens/sha256~a":        {"oauthauthorizetokens.oauth.openshift.io", oauth, "", "sha256~a"},
		"oauth/clients/console":                 {"oauthclients.oauth.openshift.io", oauth, "", "console"},
		"oauth/clientauthorizations/u:c":        {"oauthclientauthorizations.oauth.openshift.io", oauth, "", "u:c"},
		"useridentities/ldap:u":                 {"identities.user.openshift.io", oauth, "", "ldap:u"},
		"users/u":                               {"users.user.openshift.io", oauth, "", "u"},
		"groups/g":                              {"groups.user.openshift.io", oauth, "", "g"},
		"deploymentconfigs/n/d":                 {"deploymentconfigs.apps.openshift.io", openshift, "n", "d"},
		"builds/n/b":                            {"builds.build.openshift.io", openshift, "n", "b"},
		"buildconfigs/n/b":                      {"buildconfigs.build.openshift.io", openshift, "n", "b"},
		"images/sha256:a":                       {"images.image.openshift.io", openshift, "", "sha256:a"},
		"imagestreams/n/i":                      {"imagestreams.image.openshift.io", openshift, "n", "i"},
		"routes/n/r":                            {"routes.route.openshift.io", openshift, "n", "r"},
		"rangeallocations/scc-uid":              {"rangeallocations.security.openshift.io", openshift, "", "scc-uid"},
		"securitycontextconstraints/s":          {"securitycontextconstraints.security.openshift.io", openshift, "", "s"},
		"clusterresourcequotas/q":               {"clusterresourcequotas.quota.openshift.io", openshift, "", "q"},
		"rolebindingrestrictions/n/r":           {"rolebindingrestrictions.authorization.openshift.io", openshift, "n", "r"},
		"templates/n/t":                         {"templates.template.openshift.io", openshift, "n", "t"},
		"templateinstances/n/t":                 {"templateinstances.template.openshift.io", openshift, "n", "t"},
		"brokertemplateinstances/b":             {"brokertemplateinstances.template.openshift.io", openshift, "", "b"},
		"registry/sdnnetworks/default":          {"clusternetworks.network.openshift.io", openshift, "", "default"},
		"registry/sdnsubnets/h":                 {"hostsubnets.network.openshift.io", openshift, "", "h"},
		"registry/sdnnetnamespaces/n":           {"netnamespaces.network.openshift.io", openshift, "", "n"},
		"registry/egressnetworkpolicy/n/e":      {"egressnetworkpolicies.network.openshift.io", openshift, "n", "e"},
		"authorization/cluster/policies/p":      {"clusterpolicies.authorization.openshift.io", openshift, "", "p"},
		"authorization/cluster/policybindings/": {"clusterpolicybindings.authorization.openshift.io", openshift, "", ""},
		"authorization/local/policies/n/p":      {"policies.authorization.openshift.io", openshift, "n", "p"},
		"authorization/local/policybindings/n/": {"policybindings.authorization.openshift.io", openshift, "n", ""},
	} {
		k, ok := storedvalue.ParseKey("/openshift.io", []byte("/openshift.io/"+key))
		r := k.Resource()
		if !ok || r.String() != want.resource || r.Server != want.server || !r.Known || string(k.Namespace) != want.namespace || string(k.Name) != want.name {
			t.Errorf("%s: %v, %s of %q, known %v, %q/%q", key, ok, r, r.Server, r.Known, k.Namespace, k.Name)
		}
		if got := apiresource.OpenShiftServer(r.Group); got != want.server || !apiresource.Located(r.Group, r.Name) {
			t.Errorf("%s is of %q, located %v", r.Group, got, apiresource.Located(r.Group, r.Name))
		}
	}
	for _, cut := range []string{"oauth/accesstokens", "oauth//x", "authorization/cluster/policies", "registry/sdnnetworks"} {
		if k, ok := storedvalue.ParseKey("/openshift.io", []byte("/openshift.io/"+cut)); ok {
			t.Errorf("%q was read as %q %q/%q", cut, k.Path, k.Namespace, k.Name)
		}
	}
}

func TestOpenShiftsPathsMeanNothingElsewhere(t *testing.T) {
	for _, prefix := range []string{"/registry", "/kubernetes.io", "/not-openshift.io"} {
		for _, path := range []string{"routes", "users", "oauth"} {
			k, ok := storedvalue.ParseKey(prefix, []byte(prefix+"/"+path+"/n/o"))
			if r := k.Resource(); !ok || r.Known || r.Server != "" || string(k.Namespace) != "n" {
				t.Errorf("%s/%s: %v, %+v, %q", prefix, path, ok, r, k.Namespace)
			}
		}
	}
	// A kube-apiserver's custom resources of the same groups.
	k, ok := storedvalue.ParseKey("/kubernetes.io", []byte("/kubernetes.io/security.openshift.io/securitycontextconstraints/s"))
	if r := k.Resource(); !ok || r.String() != "securitycontextconstraints.security.openshift.io" || r.Server != "" {
		t.Errorf("%v, %+v", ok, r)
	}
	// What OpenShift's servers do not store is not known, but a Secret stays one.
	for path, known := range map[string]bool{"gizmos": false, "secrets": true} {
		k, _ := storedvalue.ParseKey("/openshift.io", []byte("/openshift.io/"+path+"/n/o"))
		if r := k.Resource(); r.Known != known || r.Server != "" {
			t.Errorf("%s: %+v", path, r)
		}
	}
	for group, want := range map[string]string{"config.openshift.io": "", "oauth.example.com": "", "": "", "apps": ""} {
		if got := apiresource.OpenShiftServer(group); got != want {
			t.Errorf("%q is of %q", group, got)
		}
	}
}
