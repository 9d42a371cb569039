package hostconfig

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/boundedyaml"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Where RKE2 and k3s keep their data, unless they are told otherwise.
const (
	rke2Dir = "/var/lib/rancher/rke2"
	k3sDir  = "/var/lib/rancher/k3s"
)

// k3sConfig is what matters here of k3s's configuration. Its other settings, among them
// tokens and the address of a database with its password, are not read.
type k3sConfig struct {
	DataDir       string `json:"data-dir"`
	APIServerArgs any    `json:"kube-apiserver-arg"`
	Encryption    any    `json:"secrets-encryption"`
	NoAPIServer   any    `json:"disable-apiserver"`
}

// k3s reports the etcd and the API server that run inside k3s, where no process has their
// names. k3s starts etcd with a configuration file alone, and sets the API server's flags
// itself (k3s-io/k3s, pkg/daemons/control/server.go).
func (r *reader) k3s() (starts []start) {
	process := r.k3sProcess()
	config, source := r.k3sConfig(process)
	server := path.Join(config.DataDir, "server")
	if o := r.tree.Stat(server); !o.Exists {
		if o.Err != "" {
			r.missing(server, o.Err, "run as root")
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
	}
	if isTrue(config.NoAPIServer) {
		return starts
	}
	tls := path.Join(server, "tls")
	etcd := "--etcd-servers=unix://" + path.Join(server, "kine.sock") // k3s's own database, SQLite at first
	args := []string{
		"--tls-cert-file=" + path.Join(tls, "serving-kube-apiserver.crt"), "--tls-private-key-file=" + path.Join(tls, "serving-kube-apiserver.key"),
		"--client-ca-file=" + path.Join(tls, "client-ca.crt"), "--anonymous-auth=false", "--secure-port=6444", "--bind-address=127.0.0.1",
		"--kubelet-client-certificate=" + path.Join(tls, "client-kube-apiserver.crt"), "--kubelet-client-key=" + path.Join(tls, "client-kube-apiserver.key"),
	}
	if embedded {
		etcd = "--etcd-servers=https://127.0.0.1:2379"
		for flag, name := range map[string]string{"cafile": "server-ca.crt", "certfile": "client.crt", "keyfile": "client.key"} {
			args = append(args, "--etcd-"+flag+"="+path.Join(tls, "etcd", name))
		}
	}
	if isTrue(config.Encryption) {
		args = append(args, "--encryption-provider-config="+path.Join(server, "cred/encryption-config.json"), "--encryption-provider-config-automatic-reload=true")
	}
	for _, extra := range list(config.APIServerArgs) {
		args = append(args, "--"+extra)
	}
	return append(starts, inside(apiServerProgram, source, append([]string{etcd}, args...)))
}

// k3sConfig reads k3s's configuration file and its drop-ins, and the directory of its data
// from its command line.
func (r *reader) k3sConfig(process *hostfacts.Running) (c k3sConfig, source string) {
	c.DataDir, source = k3sDir, "k3s's defaults"
	const file = "/etc/rancher/k3s/config.yaml"
	files := []string{file}
	if entries, err := r.tree.ReadDir(file + ".d"); err == nil {
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".yaml") || strings.HasSuffix(e.Name(), ".yml") {
				files = append(files, path.Join(file+".d", e.Name()))
			}
		}
	}
	for _, name := range files {
		text, ok := r.text(name)
		if !ok {
			continue
		}
		if err := boundedyaml.Unmarshal(text, &c); err != nil {
			r.missing(name, "not a configuration of k3s"+position(err), "")
			continue
		}
		source = name
	}
	if process != nil {
		for i, arg := range process.Args {
			name, value, ok := strings.Cut(arg, "=")
			if !ok && i+1 < len(process.Args) {
				value = process.Args[i+1]
			}
			if name == "--data-dir" || name == "-d" {
				c.DataDir = value
			}
		}
	}
	return c, source
}

// k3sProcess returns the running k3s server, nil if there is none. Its command line may
// hold a token, and is not kept.
func (r *reader) k3sProcess() *hostfacts.Running {
	found, err := r.procs.Find(func(name string, args []string) bool {
		return (strings.HasPrefix(name, "k3s") || path.Base(args[0]) == "k3s") && slices.Contains(args, "server")
	})
	if err != nil || len(found) == 0 {
		return nil
	}
	p := found[0]
	p.Environment = nil
	return &p
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

func isTrue(v any) bool { return v == true || fmt.Sprint(v) == "true" }

// list returns the strings of a value that may be one string or several.
func list(v any) (all []string) {
	switch v := v.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}
