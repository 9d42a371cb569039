package hostconfig

import (
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
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
	config, source := r.k3sConfig()
	server := path.Join(config.DataDir, "server")
	if o := r.tree.Stat(server); !o.Exists {
		if o.Err != "" {
			r.missing(server, o.Err, "run as root")
		}
		return nil
	}
	process := r.k3sProcess()
	version := ""
	if process != nil {
		version = process.version
	}
	file := path.Join(server, "db/etcd/config")
	embedded := r.tree.Stat(file).Exists
	if embedded {
		starts = append(starts, start{program: etcdProgram, source: file, args: []string{"--config-file=" + file}, version: version, inside: true})
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
	return append(starts, start{program: apiServerProgram, source: source, args: append([]string{etcd}, args...), inside: true})
}

// k3sConfig reads k3s's configuration file, its drop-ins, and the flags of its unit or
// process for the directory of its data.
func (r *reader) k3sConfig() (c k3sConfig, source string) {
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
		if err := yaml.Unmarshal(text, &c); err != nil {
			r.missing(name, "not a configuration of k3s"+position(err), "")
			continue
		}
		source = name
	}
	return c, source
}

// k3sProcess returns the running k3s server, nil if there is none.
func (r *reader) k3sProcess() *start { return nil }

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
