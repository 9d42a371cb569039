package acceptance

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// Append adds an entry to the end of a file, which is made if it is not there. The rest stays
// as it is, comments included. The new file replaces the old one at once, and only if all of
// it can be read.
func Append(path string, e Entry, known []string) error {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved // a link stays one
	}
	mode := fs.FileMode(0o600)
	text, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
		if _, err := Parse(path, text, known); err != nil {
			return err
		}
	}
	added, err := e.Text()
	if err != nil {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	text = append(text, added...)
	if _, err := Parse(path, text, known); err != nil {
		return fmt.Errorf("the entry cannot be added, and the file is as it was: %w", err)
	}
	return replace(path, text, mode)
}

// replace writes a file beside the other one and moves it there. What fails leaves nothing
// behind.
func replace(path string, text []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".accepted-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
