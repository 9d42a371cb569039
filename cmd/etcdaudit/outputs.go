package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// output is one --output: a format, and the file that it is written to, none for stdout.
type output struct {
	format report.Format
	file   string
}

type outputs []output

// outputs are where the report is to be written, all of which can be written to.
func (o outputPart) outputs() (outputs, error) {
	out, err := parseOutputs(o.Output)
	if err == nil {
		err = out.writable()
	}
	return out, err
}

// parseOutputs reads FORMAT and FORMAT=FILE. Two reports in one stream or file would be none,
// and an empty list would audit for nothing.
func parseOutputs(list []string) (all outputs, err error) {
	var errs []error
	taken := map[string]string{}
	for _, text := range list {
		name, file, toFile := strings.Cut(text, "=")
		format, err := report.ParseFormat(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("output: %w", err))
			continue
		}
		where := "stdout"
		if toFile {
			if file == "" {
				errs = append(errs, fmt.Errorf("output: %q: want FORMAT or FORMAT=FILE", text))
				continue
			}
			if where, err = filepath.Abs(file); err != nil {
				errs = append(errs, fmt.Errorf("output: %w", err))
				continue
			}
		}
		if other, ok := taken[where]; ok {
			errs = append(errs, fmt.Errorf("output: %s and %s: both would go to %s", other, text, where))
		}
		taken[where] = text
		all = append(all, output{format, file})
	}
	if len(list) == 0 {
		errs = append(errs, fmt.Errorf("output: none is given: want %s", report.FormatNames()))
	}
	return all, errors.Join(errs...)
}

// onlyTable reports whether a table on stdout is all that is written.
func (all outputs) onlyTable() bool {
	return len(all) == 1 && all[0] == output{format: report.FormatTable}
}

// writable returns an error for each file that could not be written. It is asked before an
// audit, which may take minutes that must not be lost.
func (all outputs) writable() error {
	var errs []error
	for _, o := range all {
		if o.file == "" {
			continue
		}
		f, err := beside(o.file)
		if err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("output: %s: %w", o.file, err))
		}
	}
	return errors.Join(errs...)
}

// write writes the report everywhere. Where one output fails the others are written all the
// same, and each failure is returned.
func (all outputs) write(r *auditv1.Report, stdout io.Writer, getenv func(string) string) error {
	var errs []error
	for _, o := range all {
		if o.file == "" {
			if err := report.Write(stdout, o.format, r, term.ColoursFor(stdout, getenv)); err != nil {
				errs = append(errs, fmt.Errorf("write the report: %w", err))
			}
			continue
		}
		if err := replace(o.file, func(w io.Writer) error { return report.Write(w, o.format, r, false) }); err != nil {
			errs = append(errs, fmt.Errorf("write the report to %s: %w", o.file, err))
		}
	}
	return errors.Join(errs...)
}

// replace gives a file new content, all of it or none: a reader never sees a part, and a full
// disk leaves what was there. The file can be read by its owner only, since a report is a list
// of weaknesses.
func replace(name string, write func(io.Writer) error) (err error) {
	f, err := beside(name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	for _, step := range []func() error{
		func() error { return write(f) },
		f.Sync, // a delayed "no space left" must come before the rename
		f.Close,
		func() error { return os.Rename(f.Name(), name) },
	} {
		if err := step(); err != nil {
			return reason(err)
		}
	}
	return nil
}

// beside creates a temporary file, mode 0600, in the directory of a file that may be there
// already. What a rename would replace by surprise is refused: a link in a directory that
// others write to could lead anywhere, and a device or a pipe would be gone.
func beside(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("it is a symbolic link: name the file that it leads to")
	case err == nil && !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file: for a pipe or a device leave the file out, and redirect stdout")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, reason(err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".etcdaudit-*")
	return f, reason(err)
}

// reason leaves out the path of an error, which would be that of the temporary file.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	if at, ok := errors.AsType[*os.LinkError](err); ok {
		return at.Err
	}
	return err
}
