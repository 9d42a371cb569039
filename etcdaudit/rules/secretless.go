package rules

import "fmt"

// secretless is the outcome of the checks about Secrets where nothing shows that
// an API server keeps its Secrets under the prefix. An API server that does has
// Namespaces there at least.
func secretless(in Input) (Outcome, bool) {
	inv := in.Inventory
	if inv.Keys == 0 || inv.Secrets() != nil || inv.Has("namespaces") {
		return Outcome{}, false
	}
	for _, r := range inv.Resources() {
		if r.Server != "" {
			return notApplicable(fmt.Sprintf("under %s/ are resources of OpenShift's %s, and neither a Secret nor a Namespace: those are its kube-apiserver's (--prefix /kubernetes.io)", inv.Prefix, r.Server)), true
		}
	}
	// A prefix one step too deep or too shallow shows Secrets as something else,
	// and would be called clean.
	return notEvaluated("there is neither a Secret nor a Namespace under " + inv.Prefix + "/: an API server stores its Namespaces under its --etcd-prefix; is that the --prefix?"), true
}
