package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

func TestEveryConfigurationKeyIsInTheOperatorGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/operator.md")
	if err != nil {
		t.Fatal(err)
	}
	c := defaultConfig()
	keys := leaves("", cli.Tree(&c))
	if len(keys) < 20 {
		t.Fatalf("only %d keys", len(keys))
	}
	documented := documentedKeys(string(text))
	for _, key := range keys {
		if !documented[key] {
			t.Errorf("docs/operator.md does not explain %s", key)
		}
	}
}

// documentedKeys returns the keys in the first column of tables. A key after another
// may be short: `socket.path`, `.mode`.
func documentedKeys(text string) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		section := ""
		for _, m := range regexp.MustCompile("`([a-z.-]+)`").FindAllStringSubmatch(cells[1], -1) {
			key := m[1]
			if strings.HasPrefix(key, ".") {
				key = section + key
			}
			section = key[:max(strings.LastIndex(key, "."), 0)]
			found[key] = true
		}
	}
	return found
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
