// Package need says what must be there before a rule can be evaluated, for rules of
// every group.
package need

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/safeurl"
	"github.com/sealproof/sealproof/internal/term"
)

// Scan is not met where no data was read. What holds for no store must not look like what
// holds for all of them.
func Scan(f facts.Facts) (check.Result, bool) {
	return check.Unevaluated("", cmp.Or(f.Unscanned, "no data was read"), ""), len(f.Stores) > 0
}

// Live is not met where no live value was read.
func Live(f facts.Facts) (check.Result, bool) {
	return check.Inapplicable("no live values were read, but older ones only"), len(f.Live()) > 0
}

// Running is not met where no running etcd was read.
func Running(f facts.Facts) (check.Result, bool) {
	return check.Inapplicable("no running etcd was read, but files only"), len(f.Running()) > 0
}

// Older is not met where nothing but live values was read.
func Older(f facts.Facts) (check.Result, bool) {
	return check.Inapplicable("live values only were read: what outlives them is listed as not evaluated"), len(f.Older()) > 0
}

// Files is not met where no file was read.
func Files(f facts.Facts) (check.Result, bool) {
	return check.Inapplicable("no files were read"), len(f.Files()) > 0
}

// Keys is not met where nothing was found: a wrong prefix or the wrong etcd must not
// look like a clean one.
func Keys(s facts.Store) (check.Result, bool) {
	return check.Unevaluated("", "there is no key under "+s.Inventory.Prefix+"/: wrong etcd, or wrong --prefix? (/kubernetes.io on OpenShift)", ""), s.Inventory.Keys > 0
}

// Secrets is not met where nothing shows that an API server keeps its Secrets under
// the prefix. An API server that does has Namespaces there at least.
func Secrets(s facts.Store) (check.Result, bool) {
	inv := s.Inventory
	if inv.Keys == 0 || inv.Secrets() != nil || inv.Has("namespaces") {
		return check.Result{}, true
	}
	for _, r := range inv.Resources() {
		if r.Server != "" {
			return check.Inapplicable(fmt.Sprintf("under %s/ are resources of OpenShift's %s, and neither a Secret nor a Namespace: those are its kube-apiserver's (--prefix /kubernetes.io)", inv.Prefix, r.Server)), false
		}
	}
	// A prefix one step too deep or too shallow shows Secrets as another resource,
	// and would be called clean.
	return check.Unevaluated("", "there is neither a Secret nor a Namespace under "+inv.Prefix+"/: an API server stores its Namespaces under its --etcd-prefix; is that the --prefix?", ""), false
}

// SecretsAnywhere is met if Secrets is met for one store at least. Else the first store
// that was not evaluated counts before those that it does not apply to.
// Where no store was read there is nothing against it.
func SecretsAnywhere(f facts.Facts) (worst check.Result, ok bool) {
	if len(f.Stores) == 0 {
		return worst, true
	}
	for _, s := range f.Stores {
		result, ok := Secrets(s)
		if ok {
			return result, true
		}
		if result.Status > worst.Status {
			worst = result
		}
	}
	return worst, false
}

// Encryption is not met without an EncryptionConfiguration.
func Encryption(f facts.Facts) (check.Result, bool) {
	return check.Inapplicable(noConfiguration), f.Encryption != nil
}

// Verified is not met where values were not opened.
func Verified(s facts.Store) (check.Result, bool) {
	return check.Inapplicable("values were not opened: --verify was not given"), s.Verified != nil
}

// Comparison is not met where the store was compared with no EncryptionConfiguration.
func Comparison(s facts.Store) (check.Result, bool) {
	return check.Inapplicable(noConfiguration), s.Inventory.Config != nil
}

const noConfiguration = "no --encryption-provider-config was given"

// Wire is not met where no connection was made.
func Wire(f facts.Facts) (check.Result, bool) {
	return check.Unevaluated("", "no connection to etcd was made", "run etcdaudit tls, or all"), f.Wire != nil
}

// Host is not met where no control plane could be read: no node was read, or the node
// has none. That is never a pass: the control plane is elsewhere.
func Host(f facts.Facts) (check.Result, bool) {
	if f.Host == nil {
		return check.Unevaluated("", "no node was read", "run etcdaudit host, or all, on each control-plane node"), false
	}
	switch setup := f.Host.Setup; setup.Kind {
	case facts.Managed:
		return check.Unevaluated("", string(setup.Kind)+": "+setup.Fact, setup.Ask), false
	case facts.Worker:
		return check.Unevaluated("", string(setup.Kind)+" on this node: "+setup.Fact, Visit(f.Host)), false
	}
	return check.Result{}, true
}

// NoKine is not met where an API server of the node uses kine in place of etcd: its objects are
// in a database, and there is no etcd to judge.
func NoKine(h *facts.Host) (check.Result, bool) {
	for _, s := range h.APIServers {
		for _, e := range s.Config.Etcds {
			// Part of a command line looks like one without --etcd-servers or a datastore.
			if s.NotEvaluated == "" && e.Resource == "" && len(e.Servers) > 0 && strings.Contains(e.Servers[0], "kine.sock") {
				return check.Inapplicable(s.Name + " uses kine in place of etcd: " + term.Printable(safeurl.WithoutUserinfo(e.Servers[0]))), false
			}
		}
	}
	return check.Result{}, true
}

// Visit says which nodes are still to be read.
func Visit(h *facts.Host) string {
	if len(h.Setup.Visit) == 0 {
		return "run etcdaudit host on each node of the control plane"
	}
	return "run etcdaudit host there: " + strings.Join(h.Setup.Visit, ", ")
}
