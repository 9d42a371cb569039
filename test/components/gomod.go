package components

import (
	"context"
	"encoding/json"
	"fmt"
)

// requirements is what matters here of one go.mod.
type requirements struct {
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// readRequirements reads the go.mod in dir. It refuses one that takes a
// dependency from a directory: such sources are in no hash, and a change in
// them would go unnoticed.
func readRequirements(ctx context.Context, dir string) (requirements, error) {
	out, err := goCommand(ctx, dir, nil, "mod", "edit", "-json")
	if err != nil {
		return requirements{}, err
	}
	var r requirements
	if err := json.Unmarshal(out, &r); err != nil {
		return requirements{}, fmt.Errorf("read the output of go mod edit -json: %w", err)
	}
	for _, replace := range r.Replace {
		if replace.New.Version == "" {
			return requirements{}, fmt.Errorf("go.mod replaces %s by the directory %s; only published modules can be used here",
				replace.Old.Path, replace.New.Path)
		}
	}
	return r, nil
}

// version returns the required version of one module.
func (r requirements) version(module string) (string, error) {
	for _, require := range r.Require {
		if require.Path == module {
			return require.Version, nil
		}
	}
	return "", fmt.Errorf("go.mod does not require %s", module)
}
