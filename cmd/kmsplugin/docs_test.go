package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

// A key without an explanation is a key that no operator dares to use.
func TestEveryConfigurationKeyIsInTheGuides(t *testing.T) {
	explained := map[string]bool{}
	for _, name := range []string{"operator.md", "vault-admin.md", "vault-auth.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			parent := ""
			for _, code := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
				key := code[1]
				if strings.HasPrefix(key, ".") { // a table may name a key after its neighbour: `socket.path`, `.mode`
					key = parent + key
				}
				explained[key] = true
				parent = key[:max(strings.LastIndex(key, "."), 0)]
			}
		}
	}
	c := defaultConfig()
	keys := leaves("", cli.Tree(&c))
	if len(keys) < 20 {
		t.Fatalf("only %d keys", len(keys))
	}
	for _, key := range keys {
		if !explained[key] {
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
