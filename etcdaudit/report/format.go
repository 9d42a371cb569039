package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Format is a way to write a report. docs/auditor-reports.md says what each is for.
type Format string

// The formats.
const (
	FormatTable     Format = "table"
	FormatJSON      Format = "json"
	FormatHTML      Format = "html"
	FormatSARIF     Format = "sarif"
	FormatJUnit     Format = "junit"
	FormatCSV       Format = "csv"
	FormatCycloneDX Format = "cyclonedx"
)

// Formats are all of them, in the order in which they are named to people.
func Formats() []Format {
	return []Format{FormatTable, FormatJSON, FormatHTML, FormatSARIF, FormatJUnit, FormatCSV, FormatCycloneDX}
}

// RegisterFormats are those of a register of keys.
func RegisterFormats() []Format { return []Format{FormatTable, FormatJSON, FormatCSV} }

// FormatNames names formats in one text.
func FormatNames(formats []Format) string {
	var names []string
	for _, f := range formats {
		names = append(names, string(f))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// ParseFormat reads the name of one of some formats.
func ParseFormat(s string, formats []Format) (Format, error) {
	if !slices.Contains(formats, Format(s)) {
		return "", fmt.Errorf("%q: want %s", s, FormatNames(formats))
	}
	return Format(s), nil
}

// Write writes a report. Colours are for the table only.
func Write(w io.Writer, f Format, r *auditv1.Report, colours term.Colours) error {
	switch f {
	case FormatTable:
		return Table(w, r, colours)
	case FormatJSON:
		return JSON(w, r)
	case FormatHTML:
		return HTML(w, r)
	case FormatSARIF:
		return SARIF(w, r)
	case FormatJUnit:
		return JUnit(w, r)
	case FormatCSV:
		return CSV(w, r)
	case FormatCycloneDX:
		return CycloneDX(w, r)
	default:
		return fmt.Errorf("there is no format %q: this is a mistake of the program", f)
	}
}

// WriteRegister writes a register of keys in one of RegisterFormats.
func WriteRegister(w io.Writer, f Format, r *auditv1.KeyRegister, colours term.Colours) error {
	switch f {
	case FormatTable:
		return RegisterTable(w, r, colours)
	case FormatJSON:
		return JSON(w, r)
	case FormatCSV:
		return RegisterCSV(w, r)
	default:
		return fmt.Errorf("a register of keys has no format %q: this is a mistake of the program", f)
	}
}
