package main

import (
	"maps"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/test/testkit"
	"github.com/sealproof/sealproof/vaultbackend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// An operator cannot use a key that no guide explains.
func TestEveryConfigurationKeyIsInTheGuides(t *testing.T) {
	named := map[string]bool{}
	for _, name := range []string{"operator.md", "vault-admin.md", "vault-auth.md"} {
		text := testkit.Must(os.ReadFile("../../docs/" + name))(t)
		for line := range strings.Lines(string(text)) {
			maps.Copy(named, keysIn(line))
		}
	}
	c := defaultConfig()
	keys := leaves("", cli.Tree(&c))
	if len(keys) < 20 {
		t.Fatalf("only %d keys", len(keys))
	}
	for _, key := range keys {
		if !named[key] {
			t.Errorf("no guide explains %s", key)
		}
	}
}

// keysIn returns what a line has between backquotes. A table names a key after its
// neighbour on the same line: `socket.path`, `.mode` is socket.path and socket.mode.
func keysIn(line string) map[string]bool {
	keys := map[string]bool{}
	parent := ""
	for i, part := range strings.Split(line, "`") {
		if i%2 == 0 {
			continue
		}
		if strings.HasPrefix(part, ".") {
			part = parent + part
		} else {
			parent = part[:max(strings.LastIndex(part, "."), 0)]
		}
		keys[part] = true
	}
	return keys
}

func leaves(prefix string, tree map[string]any) (keys []string) {
	for name, value := range tree {
		if branch, ok := value.(map[string]any); ok {
			keys = append(keys, leaves(prefix+name+".", branch)...)
			continue
		}
		keys = append(keys, prefix+name)
	}
	return keys
}

func TestTheExamplesOfEachLoginAreValid(t *testing.T) {
	text := string(testkit.Must(os.ReadFile("../../docs/vault-auth.md"))(t))
	shown := map[string]bool{}
	for i, part := range strings.Split(text, "```yaml\n")[1:] {
		example, _, _ := strings.Cut(part, "```")
		var tree struct {
			Vault map[string]any `json:"vault"`
		}
		if err := yaml.UnmarshalStrict([]byte(example), &tree); err != nil {
			t.Errorf("example %d: %v", i, err)
			continue
		}
		cfg := vaultbackend.DefaultConfig()
		if err := cli.Overlay(&cfg, "vault", tree.Vault); err != nil {
			t.Errorf("example %d: %v", i, err)
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("example %d: %v", i, err)
		}
		shown[cfg.Auth.Method] = true
	}
	for _, method := range client.Methods() {
		if !shown[method] {
			t.Errorf("no example shows %s", method)
		}
	}
}
