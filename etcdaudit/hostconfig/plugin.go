package hostconfig

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// pluginProgram is Sealproof's own.
const pluginProgram = "kmsplugin"

// Where docs/install.md puts the plugin's files.
const (
	pluginConfig = "/etc/kmsplugin/config.yaml"
	pluginState  = "/var/lib/kmsplugin"
)

// plugin notes the files of the KMS plugin: its configuration, the credentials that this
// names, and its state. Of several ways in which it is started, those that run count. A
// credential that only a flag or a variable (KMSPLUGIN_…) names is not looked at.
func (r *reader) plugin(starts []start) {
	if running := slices.DeleteFunc(slices.Clone(starts), func(s start) bool { return s.process == nil }); len(running) > 0 {
		for i := range running {
			for _, s := range starts {
				if s.pod && s.process == nil && possible(running[i], s) {
					running[i].pod, running[i].volumes = true, s.volumes
				}
			}
		}
		starts = running
	}
	if len(starts) == 0 {
		starts = []start{{program: pluginProgram}}
	}
	for _, s := range starts {
		user := facts.UserOf(pluginProgram, s.facts())
		config := cmp.Or(lastFlag(s.args, "config"), pluginConfig)
		text, err := r.contentOf(s, config)
		if err != nil {
			if s.source != "" {
				r.unreadable(config, err)
			}
			continue
		}
		r.keepOf(s, facts.ConfigUse, config, "", user)
		for _, f := range filesNamedIn(text) {
			switch {
			case namesCredential(f.key):
				r.keepOf(s, facts.CredentialUse, f.path, "it is a credential of the KMS plugin ("+f.key+")", user)
			default:
				r.keepOf(s, facts.CertificateUse, f.path, "", user)
			}
		}
		r.keepOf(s, facts.StateUse, pluginState, "the KMS plugin keeps its state there", user)
	}
}

type namedFile struct{ key, path string }

// filesNamedIn returns the absolute paths under keys that end with "-file", at any depth.
func filesNamedIn(text []byte) (files []namedFile) {
	root, err := boundedyaml.Nodes(text)
	if err != nil || root == nil {
		return nil
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 && strings.HasSuffix(n.Content[i-1].Value, "-file") && path.IsAbs(child.Value) {
				files = append(files, namedFile{n.Content[i-1].Value, child.Value})
			}
			walk(child)
		}
	}
	walk(root)
	return files
}

func namesCredential(key string) bool {
	return slices.Contains([]string{"secret-id-file", "unwrapped-secret-id-file", "token-file", "jwt-file", "client-key-file", "key-file"}, key)
}

// secretKeys reports whether a configuration of k3s or RKE2 has a secret in it.
func secretKeys(text []byte) bool {
	var keys map[string]any
	if boundedyaml.Unmarshal(text, &keys) != nil {
		return true // it is not known
	}
	for name, value := range keys {
		for _, v := range list(value) {
			if secretIn(strings.TrimSuffix(name, "+"), v) != "" {
				return true
			}
		}
	}
	return false
}
