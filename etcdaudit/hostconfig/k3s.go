package hostconfig

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/hostfacts"
)

// k3s reports the etcd and the API server that run inside k3s, where no process has their
// names. k3s starts etcd with a configuration file alone, and sets the API server's flags
// itself (k3s-io/k3s, pkg/daemons/control/server.go).
func (r *reader) k3s(k rancher) (starts []start) {
	process, config := k.process, k.settings
	server := path.Join(k.dir, "server")
	if o := r.tree.Stat(server); !o.Exists {
		if o.Err != "" {
			r.missing(server, o.Err, "run as root")
		} else if process != nil {
			r.missing(server, "it does not exist, but k3s runs: its data is elsewhere", "")
		}
		return nil
	}
	inside := func(program, source string, args []string) start {
		return start{program: program, source: source, args: args, process: process, inside: true, version: r.versionInside(process, program)}
	}
	file := path.Join(server, "db/etcd/config")
	embedded := r.tree.Stat(file).Exists
	if embedded {
		starts = append(starts, inside(etcdProgram, file, []string{"--config-file=" + file}))
	} else if embedded = config.startsEtcd(); embedded {
		r.missing(file, "k3s is told to start an etcd, and has not written its configuration yet", "start k3s, and run etcdaudit host again")
	}
	if config.last("disable-apiserver", "") == "true" {
		return starts
	}
	tls := path.Join(server, "tls")
	args := []string{
		"--tls-cert-file=" + path.Join(tls, "serving-kube-apiserver.crt"), "--tls-private-key-file=" + path.Join(tls, "serving-kube-apiserver.key"),
		"--client-ca-file=" + path.Join(tls, "client-ca.crt"), "--anonymous-auth=false", "--secure-port=6444", "--bind-address=127.0.0.1",
		"--kubelet-client-certificate=" + path.Join(tls, "client-kube-apiserver.crt"), "--kubelet-client-key=" + path.Join(tls, "client-kube-apiserver.key"),
	}
	if !slices.ContainsFunc(config["kube-apiserver-arg"], setsAuthorization) {
		args = append(args, "--authorization-mode=Node,RBAC")
	}
	args = append(args, config.etcdOf(server, embedded)...)
	if config.last("secrets-encryption", "") == "true" {
		args = append(args, "--encryption-provider-config="+path.Join(server, "cred/encryption-config.json"), "--encryption-provider-config-automatic-reload=true")
	}
	for _, extra := range config["kube-apiserver-arg"] {
		args = append(args, "--"+extra)
	}
	api := inside(apiServerProgram, k.source, args)
	api.unknown = k.unknown
	return append(starts, api)
}

// startsEtcd reports whether k3s starts an etcd of its own at its first start: one that begins
// a cluster or joins one, without a datastore (k3s-io/k3s, pkg/cluster/managed.go).
func (c k3sSettings) startsEtcd() bool {
	return c.last("datastore-endpoint", "") == "" && (c.last("cluster-init", "") == "true" || c.last("server", "") != "")
}

// setsAuthorization reports whether an argument for the API server takes the place of k3s's
// own --authorization-mode.
func setsAuthorization(arg string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return name == "authorization-mode" || name == "authorization-config"
}

// etcdOf returns the API server's flags about its etcd: the embedded one, which k3s uses
// once it exists, an etcd elsewhere, or k3s's own database. The address of a database has
// its password in it and is not kept.
func (c k3sSettings) etcdOf(server string, embedded bool) (flags []string) {
	if embedded {
		tls := path.Join(server, "tls/etcd")
		return []string{
			"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=" + path.Join(tls, "server-ca.crt"),
			"--etcd-certfile=" + path.Join(tls, "client.crt"), "--etcd-keyfile=" + path.Join(tls, "client.key"),
		}
	}
	var servers []string
	for endpoint := range strings.SplitSeq(c.last("datastore-endpoint", ""), ",") {
		if u, err := url.Parse(strings.TrimSpace(endpoint)); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
			servers = append(servers, u.Scheme+"://"+u.Host)
		}
	}
	if len(servers) == 0 {
		return []string{"--etcd-servers=unix://" + path.Join(server, "kine.sock")} // SQLite at first
	}
	flags = []string{"--etcd-servers=" + strings.Join(servers, ",")}
	for _, name := range []string{"cafile", "certfile", "keyfile"} {
		if file := c.last("datastore-"+name, ""); file != "" {
			flags = append(flags, "--etcd-"+name+"="+file)
		}
	}
	return flags
}

// versionInside returns the release of etcd or Kubernetes that k3s is built with.
func (r *reader) versionInside(process *hostfacts.Running, program string) string {
	if process == nil {
		return ""
	}
	build, err := r.build(process.PID)
	if err != nil {
		return ""
	}
	module := map[string]string{etcdProgram: serverModule, apiServerProgram: kubernetesModule}[program]
	return releaseOf(versionsOf(build)[module])
}
