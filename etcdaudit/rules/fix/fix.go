// Package fix says how a setting of etcd or of an API server is changed in the setup at
// hand. A setting is written as "name=value", with the name of its flag.
package fix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Etcd says how to give an etcd these settings. h and e are nil where no node, or not
// the node of this etcd, was read.
func Etcd(h *facts.Host, e *facts.Etcd, settings ...string) string {
	if h == nil || e == nil {
		return "start etcd with " + flags(settings) + " (with a --config-file: " + keys(settings) + " in it, and no flags)"
	}
	switch kind := setup(h, e.Source); {
	case kind == facts.RKE2 || kind == facts.K3s:
		return rancherEtcd(kind, e, settings)
	case e.ConfigFile != "":
		return fmt.Sprintf("in %s set %s, and restart etcd; flags and environment variables have no effect beside that file", e.ConfigFile, keys(settings))
	case kind == facts.K0s:
		return "in /etc/k0s/k0s.yaml under spec.storage.etcd.extraArgs set " + written(e, settings) + ", and restart k0scontroller"
	case kind == facts.Kubeadm:
		return kubeadm(manifest(e.Source, "etcd"), "etcd.local.extraArgs", written(e, settings))
	case kind == facts.Systemd && e.EnvironmentFile != "":
		return unitWithVariables(e, settings)
	case kind == facts.Systemd && byVariable(e, settings[0]):
		return unit(e.Source, written(e, settings))
	case kind == facts.Systemd:
		return unit(e.Source, written(e, settings)) + fmt.Sprintf(" (a variable such as %s in its EnvironmentFile does as well, but not both)", variable(settings[0]))
	}
	return "start " + e.Name + " with " + written(e, settings)
}

// written are settings as flags, and as variables where the variable is set already: etcd does
// not start with a flag beside its variable, even an empty one.
func written(e *facts.Etcd, settings []string) string {
	var byFlag, changed []string
	for _, s := range settings {
		if byVariable(e, s) {
			changed = append(changed, variable(s))
		} else {
			byFlag = append(byFlag, s)
		}
	}
	var parts []string
	if len(byFlag) > 0 {
		parts = append(parts, flags(byFlag))
	}
	if len(changed) > 0 {
		parts = append(parts, "in its environment "+strings.Join(changed, " ")+" (set there already: a flag of that name beside it stops etcd)")
	}
	return strings.Join(parts, " and ")
}

// byVariable reports whether the variable of a setting is set.
func byVariable(e *facts.Etcd, setting string) bool {
	name, _, _ := strings.Cut(setting, "=")
	return slices.ContainsFunc(e.Config.Settings, func(s etcdconfig.Setting) bool {
		return s.Name == name && s.Origin.Kind == etcdconfig.Environment
	}) || slices.ContainsFunc(e.Config.Voids, func(v etcdconfig.Void) bool {
		return v.Name == name && v.Origin.Kind == etcdconfig.Environment
	})
}

// unitWithVariables is Etcd for a unit that has its settings in an environment file. etcd
// refuses to start where a flag and its variable are both set.
func unitWithVariables(e *facts.Etcd, settings []string) string {
	var places, asFlags, variables []string
	for _, s := range settings {
		name, _, _ := strings.Cut(s, "=")
		if slices.ContainsFunc(e.Config.Settings, func(in etcdconfig.Setting) bool {
			return in.Name == name && in.Origin.Kind == etcdconfig.Flag
		}) {
			asFlags = append(asFlags, s)
		} else {
			variables = append(variables, variable(s))
		}
	}
	if len(variables) > 0 {
		places = append(places, fmt.Sprintf("in %s set %s", e.EnvironmentFile, strings.Join(variables, " ")))
	}
	if len(asFlags) > 0 {
		places = append(places, fmt.Sprintf("in %s set %s, then systemctl daemon-reload", e.Source, flags(asFlags)))
	}
	return strings.Join(places, "; ") + "; then restart the unit"
}

// rancherEtcd is Etcd for RKE2 and k3s. They write etcd's configuration file at each
// start, and add etcd-arg to its top level only: that reaches no TLS setting of a section,
// and no list.
func rancherEtcd(kind facts.SetupKind, e *facts.Etcd, settings []string) string {
	file, service := rancher(kind)
	for _, s := range settings {
		name, _, _ := strings.Cut(s, "=")
		switch {
		case name == "listen-metrics-urls":
			return fmt.Sprintf("in %s remove etcd-expose-metrics and any listen-metrics-urls under etcd-arg, and restart %s", file, service)
		case section(name) != "" || strings.HasPrefix(name, "listen-") || name == "cipher-suites":
			return fmt.Sprintf("%s writes this setting itself and has no argument for it: find out what has changed %s, and restart %s, which writes that file anew", kind, e.ConfigFile, service)
		}
	}
	return fmt.Sprintf("in %s set %s, and restart %s", file, arguments("etcd-arg", settings), service)
}

// APIServer says how to give an API server these settings.
func APIServer(h *facts.Host, a *facts.APIServer, settings ...string) string {
	switch kind := setup(h, a.Source); kind {
	case facts.RKE2, facts.K3s:
		file, service := rancher(kind)
		return fmt.Sprintf("in %s set %s, and restart %s", file, arguments("kube-apiserver-arg", settings), service)
	case facts.K0s:
		return "in /etc/k0s/k0s.yaml under spec.api.extraArgs set " + flags(settings) + ", and restart k0scontroller"
	case facts.Kubeadm:
		return kubeadm(manifest(a.Source, "kube-apiserver"), "apiServer.extraArgs", flags(settings))
	case facts.Systemd:
		return unit(a.Source, flags(settings))
	}
	return "start " + a.Name + " with " + flags(settings)
}

// Without says how to take a flag from an API server.
func Without(h *facts.Host, a *facts.APIServer, name string) string {
	switch kind := setup(h, a.Source); kind {
	case facts.RKE2, facts.K3s:
		file, service := rancher(kind)
		return fmt.Sprintf("remove %s from kube-apiserver-arg in %s, and restart %s", name, file, service)
	case facts.Kubeadm:
		return fmt.Sprintf("remove --%s from %s, and from apiServer.extraArgs in the ConfigMap kube-system/kubeadm-config", name, manifest(a.Source, "kube-apiserver"))
	}
	return fmt.Sprintf("remove --%s from %s, and restart the API server", name, a.Source)
}

// setup is how a program was set up. A node can run etcd as a unit beside static pods
// (kubespray): what the program was started from counts before the node. RKE2 and k3s write
// what they start their programs from.
func setup(h *facts.Host, source string) facts.SetupKind {
	file, _, _ := strings.Cut(source, " + ")
	switch {
	case h.Setup.Kind == facts.RKE2 || h.Setup.Kind == facts.K3s:
		return h.Setup.Kind
	case strings.HasSuffix(file, ".service"):
		return facts.Systemd
	case strings.HasSuffix(file, ".yaml"):
		return facts.Kubeadm
	}
	return h.Setup.Kind
}

func kubeadm(manifest, args, settings string) string {
	return fmt.Sprintf("in %s set %s, and the same under %s in the ConfigMap kube-system/kubeadm-config, from which kubeadm upgrade writes the manifest anew", manifest, settings, args)
}

func manifest(source, program string) string {
	if strings.HasSuffix(source, ".yaml") {
		return source
	}
	return "/etc/kubernetes/manifests/" + program + ".yaml"
}

func unit(source, settings string) string {
	return fmt.Sprintf("in %s set %s, then systemctl daemon-reload, and restart the unit", source, settings)
}

func rancher(kind facts.SetupKind) (file, service string) {
	if kind == facts.RKE2 {
		return "/etc/rancher/rke2/config.yaml", "rke2-server"
	}
	return "/etc/rancher/k3s/config.yaml", "k3s"
}

func arguments(list string, settings []string) string {
	var all []string
	for _, s := range settings {
		all = append(all, fmt.Sprintf("%q", s))
	}
	return fmt.Sprintf("%s: [%s]", list, strings.Join(all, ", "))
}

func flags(settings []string) string { return "--" + strings.Join(settings, " --") }

func variable(setting string) string {
	name, value, _ := strings.Cut(setting, "=")
	return "ETCD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "=" + value
}

// keys are the settings as etcd's configuration file has them.
func keys(settings []string) string {
	var all []string
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		key := name
		if in := section(name); in != "" {
			key = in + "." + strings.TrimPrefix(name, "peer-")
		}
		if name == "cipher-suites" {
			value = "[" + value + "]" // a string stops etcd
		}
		all = append(all, key+": "+value)
	}
	return strings.Join(all, ", ")
}

// section is the section of etcd's configuration file that has a flag's setting (etcd,
// server/embed/config.go, securityConfig).
func section(name string) string {
	switch strings.TrimPrefix(name, "peer-") {
	case "cert-file", "key-file", "client-cert-file", "client-key-file", "client-cert-auth", "trusted-ca-file", "auto-tls":
		if strings.HasPrefix(name, "peer-") {
			return "peer-transport-security"
		}
		return "client-transport-security"
	}
	return ""
}
