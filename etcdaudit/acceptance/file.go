package acceptance

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"
)

// Load reads a file of accepted risks, see Parse. A pipe or device is refused.
func Load(path string, known []string) ([]Entry, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text, known)
}

func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // named by the user
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return io.ReadAll(io.LimitReader(f, MostBytes+1))
}

// Text is an entry as it stands in a file, a list of one.
func (e Entry) Text() (string, error) {
	entry := struct {
		Check       string `yaml:"check"`
		Object      string `yaml:"object,omitempty"`
		Fingerprint string `yaml:"fingerprint,omitempty"`
		Node        string `yaml:"node,omitempty"`
		Owner       string `yaml:"owner"`
		Reason      string `yaml:"reason"`
		Control     string `yaml:"compensating-control,omitempty"`
		Expires     string `yaml:"expires"`
	}{e.Check, e.Object, e.Fingerprint, e.Node, e.Owner, e.Reason, e.CompensatingControl, e.Expires.Format(dateLayout)}
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode([]any{entry}), encoder.Close()); err != nil {
		return "", fmt.Errorf("write the entry: %w", err)
	}
	return out.String(), nil
}

// With returns what a file says with an entry added to its end, and the mode to write it with.
// The rest stays as it is, comments included. A file that is not there is an empty one with mode
// 0600. All that is returned can be read again.
func With(path string, e Entry, known []string) (text []byte, mode fs.FileMode, err error) {
	mode = 0o600
	switch text, err = read(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, 0, err
	default:
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
		if _, err := Parse(path, text, known); err != nil {
			return nil, 0, err
		}
	}
	added, err := e.Text()
	if err != nil {
		return nil, 0, err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	text = append(text, added...)
	if _, err := Parse(path, text, known); err != nil {
		return nil, 0, fmt.Errorf("the entry cannot be added, and the file is as it was: %w", err)
	}
	return text, mode, nil
}
