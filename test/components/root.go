package components

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rootModule is the first line of the go.mod that marks the repository's root.
const rootModule = "module github.com/sealproof/sealproof"

// findRoot returns the repository that contains the working directory. Tests
// run in their package's directory, the commands at the root.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for start := dir; ; {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // read to see whose it is
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("find the repository: %w", err)
		}
		// The nested modules' names begin the same way.
		if first, _, _ := strings.Cut(string(data), "\n"); strings.TrimSpace(first) == rootModule {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%s is not inside a checkout of Sealproof", start)
		}
		dir = parent
	}
}
