package vaultbackend

import (
	"os"
	"strings"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/vaultbackend/client"
)

// TestTheExamplesOfEachLoginAreValid decodes them as strictly as the plugin does.
func TestTheExamplesOfEachLoginAreValid(t *testing.T) {
	text, err := os.ReadFile("../docs/vault-auth.md")
	must(t, err)
	shown := map[string]bool{}
	for i, part := range strings.Split(string(text), "```yaml\n")[1:] {
		example, _, _ := strings.Cut(part, "```")
		var tree struct {
			Vault map[string]any `json:"vault"`
		}
		if err := yaml.UnmarshalStrict([]byte(example), &tree); err != nil {
			t.Errorf("example %d: %v", i, err)
			continue
		}
		cfg := DefaultConfig()
		decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
			ErrorUnused: true, Result: &cfg, DecodeHook: mapstructure.StringToSliceHookFunc(","),
		})
		must(t, err)
		if err := decoder.Decode(tree.Vault); err != nil {
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
