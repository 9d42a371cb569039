package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/internal/atomicfile"
	"github.com/sealproof/sealproof/internal/term"
)

// output is one --output: a format, and the file that it is written to, none for stdout.
type output struct {
	format report.Format
	file   string
}

type outputs []output

// outputs are where the report is to be written, in one of some formats, all of which can be written
// to, and none of which is read.
func (o outputPart) outputs(formats []report.Format, inputs []input) (outputs, error) {
	out, err := parseOutputs(o.Output, formats)
	if err == nil {
		err = cmp.Or(out.apart(inputs), out.writable())
	}
	return out, err
}

// apart returns an error for an output in the place of what is read.
func (all outputs) apart(inputs []input) error {
	for _, o := range all {
		if o.file == "" {
			continue
		}
		if err := apart("output", o.file, inputs); err != nil {
			return err
		}
	}
	return nil
}

// parseOutputs reads FORMAT and FORMAT=FILE. Two reports in one stream or file would be none,
// and an empty list would audit for nothing.
func parseOutputs(list []string, formats []report.Format) (all outputs, err error) {
	var errs []error
	taken := map[string]string{}
	for _, text := range list {
		name, file, toFile := strings.Cut(text, "=")
		format, err := report.ParseFormat(name, formats)
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
		errs = append(errs, fmt.Errorf("output: none is given: want %s", report.FormatNames(formats)))
	}
	return all, cmp.Or(errs...)
}

// onlyTable reports whether a table on stdout is all that is written.
func (all outputs) onlyTable() bool {
	return len(all) == 1 && all[0] == output{format: report.FormatTable}
}

// writable returns an error for the first file that could not be written. It is asked before an
// audit, which may take minutes that must not be lost.
func (all outputs) writable() error {
	for _, o := range all {
		if o.file == "" {
			continue
		}
		if err := atomicfile.Probe(o.file); err != nil {
			return fmt.Errorf("output: %s: %w", o.file, advised(err, "leave the file out"))
		}
	}
	return nil
}

// write has put write the report everywhere. Where one output fails the others are written all the
// same, and each failure is returned.
func (all outputs) write(put func(io.Writer, report.Format, term.Colours) error, stdout io.Writer, getenv func(string) string) error {
	var errs []error
	for _, o := range all {
		if o.file == "" {
			if err := put(stdout, o.format, term.ColoursFor(stdout, getenv)); err != nil {
				errs = append(errs, fmt.Errorf("write the report: %w", err))
			}
			continue
		}
		// The owner alone reads it: a report is a list of weaknesses.
		if err := atomicfile.Write(o.file, 0o600, func(w io.Writer) error { return put(w, o.format, false) }); err != nil {
			errs = append(errs, fmt.Errorf("write the report to %s: %w", o.file, err))
		}
	}
	return errors.Join(errs...)
}

// advised says what to do about a pipe or a device, which each command has its own way for.
func advised(err error, advice string) error {
	if errors.Is(err, atomicfile.ErrIrregular) {
		return fmt.Errorf("%w: for a pipe or a device %s, and redirect stdout", err, advice)
	}
	return err
}
