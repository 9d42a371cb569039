package apiresource

import "strings"

// OpenShift has two API servers besides its kube-apiserver, which share one
// prefix and are configured by a file each (github.com/openshift:
// openshift-apiserver, oauth-apiserver). Custom resources of OpenShift's groups
// are stored by its kube-apiserver, under its own prefix.
const (
	OpenShiftAPIServer = "openshift-apiserver"
	OAuthAPIServer     = "oauth-apiserver"
)

// OfOpenShift returns the resource under a path of OpenShift's prefix. The
// paths are the plural names, but for specialDefaultResourcePrefixes of the two
// servers (pkg/cmd/openshift-apiserver/openshiftapiserver/etcd.go,
// pkg/cmd/oauth-apiserver/cmd.go). Those under registry/ and authorization/ are
// of OpenShift 3.
func OfOpenShift(path string) (Resource, bool) {
	of := func(group, name string) (Resource, bool) {
		group += ".openshift.io"
		return Resource{Group: group, Name: name, Known: true, Server: OpenShiftServer(group)}, true
	}
	switch path {
	case "oauth/accesstokens", "oauth/authorizetokens", "oauth/clients", "oauth/clientauthorizations":
		return of("oauth", strings.Replace(path, "/", "", 1))
	case "useridentities":
		return of("user", "identities")
	case "groups", "users":
		return of("user", path)

	case "deploymentconfigs":
		return of("apps", path)
	case "rolebindingrestrictions":
		return of("authorization", path)
	case "authorization/cluster/policies":
		return of("authorization", "clusterpolicies")
	case "authorization/cluster/policybindings":
		return of("authorization", "clusterpolicybindings")
	case "authorization/local/policies":
		return of("authorization", "policies")
	case "authorization/local/policybindings":
		return of("authorization", "policybindings")
	case "buildconfigs", "builds":
		return of("build", path)
	case "images", "imagestreams":
		return of("image", path)
	case "registry/egressnetworkpolicy":
		return of("network", "egressnetworkpolicies")
	case "registry/sdnnetnamespaces":
		return of("network", "netnamespaces")
	case "registry/sdnnetworks":
		return of("network", "clusternetworks")
	case "registry/sdnsubnets":
		return of("network", "hostsubnets")
	case "clusterresourcequotas":
		return of("quota", path)
	case "routes":
		return of("route", path)
	case "rangeallocations", "securitycontextconstraints":
		return of("security", path)
	case "brokertemplateinstances", "templateinstances", "templates":
		return of("template", path)
	default:
		return Resource{}, false
	}
}

// OpenShiftServer returns the one of OpenShift's own API servers that serves a
// group; empty for none.
func OpenShiftServer(group string) string {
	name, ok := strings.CutSuffix(group, ".openshift.io")
	if !ok {
		return ""
	}
	switch name {
	case "oauth", "user":
		return OAuthAPIServer
	case "apps", "authorization", "build", "image", "network", "project", "quota", "route", "security", "template":
		return OpenShiftAPIServer
	default:
		return ""
	}
}
