package encryptionconfig_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/test/stored"
)

// Only wildcards leave open whose file it is.
func TestTheEntriesShowWhoseFileItIs(t *testing.T) {
	route := apiresource.Resource{Group: "route.openshift.io", Name: "routes", Known: true, Server: apiresource.OpenShiftAPIServer}
	for resources, foreign := range map[string]bool{
		`"*.*"`:                     false,
		`"*.apps", "*.batch"`:       true,
		`routes.route.openshift.io`: false,
		`users.user.openshift.io`:   true,
		`secrets`:                   true,
	} {
		if got := parse(t, stored.Head+stored.Entry(resources, stored.Identity)).Foreign(route); got != foreign {
			t.Errorf("%s: %v", resources, got)
		}
	}
	for first, foreign := range map[string]bool{"secrets": true, `"*."`: false, "users.user.openshift.io": true, "builds.build.openshift.io": false} {
		if got := parse(t, stored.Head+stored.Entry(first, stored.Identity)+stored.Entry(`"*.*"`, stored.Identity)).Foreign(route); got != foreign {
			t.Errorf("%s and everything: %v", first, got)
		}
	}
}
