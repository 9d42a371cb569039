package main

import (
	"os"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

// A key that nobody can read about is a key that nobody dares to use.
func TestEveryConfigurationKeyIsInTheGuides(t *testing.T) {
	var guides strings.Builder
	for _, name := range []string{"operator.md", "vault-admin.md", "vault-auth.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		guides.Write(text)
	}
	c := defaultConfig()
	keys := leaves("", cli.Tree(&c))
	if len(keys) < 20 {
		t.Fatalf("only %d keys", len(keys))
	}
	for _, key := range keys {
		// A table may name a key after its neighbour: `socket.path`, `.mode`.
		short := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(guides.String(), "`"+key+"`") && !strings.Contains(guides.String(), "`."+short+"`") {
			t.Errorf("no guide explains %s", key)
		}
	}
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
