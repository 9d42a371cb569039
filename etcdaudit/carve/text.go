package carve

import (
	"bytes"
	"math/bits"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// An object in JSON or YAML is found by its field kind. That can be the last one
// of a Secret, behind a megabyte of data. Where the object begins is looked for
// backwards; what is found is then read forwards by the one reader of the
// encoding, which has to come to the same kind.

// maxEscaped is how often a text can have been made the content of a JSON string.
const maxEscaped = 6

// jsonKind reports whether b ends with the name of the field kind in JSON and
// the quote before its value, and how often the text is escaped.
func jsonKind(b []byte) (escaped int, ok bool) {
	b, slashes, ok := cutQuote(b)
	if !ok {
		return 0, false
	}
	b, ok = bytes.CutSuffix(bytes.TrimRight(b, " "), []byte(":"))
	b, named, quoted := cutQuote(bytes.TrimRight(b, " "))
	if !ok || !quoted || named != slashes {
		return 0, false
	}
	b, ok = bytes.CutSuffix(b, []byte("kind"))
	_, named, quoted = cutQuote(b)
	escaped = bits.Len(uint(slashes))
	return escaped, ok && quoted && named == slashes && slashes == 1<<escaped-1 && escaped <= maxEscaped
}

// cutQuote removes a quote and the backslashes before it from the end of b.
func cutQuote(b []byte) (rest []byte, slashes int, ok bool) {
	b, ok = bytes.CutSuffix(b, []byte(`"`))
	rest = bytes.TrimRight(b, `\`)
	return rest, len(b) - len(rest), ok
}

// jsonHead returns where the object in JSON begins that the end of b is in; -1
// if that is not in b. A brace in a string, without its counterpart, misleads
// it: the reader then comes to no object.
func jsonHead(b []byte) int {
	for closed := 0; ; {
		i := bytes.LastIndexAny(b, "{}")
		switch {
		case i < 0:
			return -1
		case b[i] == '}':
			closed++
		case closed == 0:
			return i
		default:
			closed--
		}
		b = b[:i]
	}
}

// yamlKind returns the length of b without the field kind in YAML, up to its
// value, that it ends with; -1 if it does not.
func yamlKind(b []byte) int {
	b = bytes.TrimRight(b, `"'\`)
	b, ok := bytes.CutSuffix(bytes.TrimRight(b, " "), []byte("kind:"))
	if !ok {
		return -1
	}
	return len(b)
}

// yamlHead returns where the object in YAML begins that has a field behind b,
// and how its lines are written; -1 if its beginning is not in b. after says how
// the line end behind the kind is written, and all whether nothing is before b.
func yamlHead(b []byte, after int, all bool) (start int, text storedvalue.YAMLText) {
	line, escaped, ok := cutLineStart(b)
	if !ok {
		// The field follows something else: it is the first of its text.
		return len(b), storedvalue.YAMLText{Escaped: after}
	}
	text.Escaped = escaped
	indent := b[len(line):]
	indent = indent[lineEnd(escaped):]
	text.Indent = len(indent)
	if bytes.HasSuffix(indent, []byte("- ")) {
		return len(b), text // the first field of an element of a list
	}
	start = len(b)
	for b = line; ; {
		line, at, first := lastLine(b, escaped)
		if first && !all {
			return -1, text // the line is not all there
		}
		field, belongs := yamlField(line, text.Indent)
		switch {
		case field >= 0:
			return at + field, text
		case !belongs:
			return start, text
		case first:
			return -1, text
		}
		start, b = at+text.Indent, b[:at-lineEnd(escaped)]
	}
}

// lineEnd is the length of a line end in bytes.
func lineEnd(escaped int) int {
	if escaped == 0 {
		return 1
	}
	return 1<<(escaped-1) + 1
}

// cutLineStart removes from b the line end, and the spaces or the mark of a
// list's element, that it ends with. escaped says how the line end is written.
func cutLineStart(b []byte) (line []byte, escaped int, ok bool) {
	b = bytes.TrimRight(bytes.TrimSuffix(b, []byte("- ")), " ")
	if line, ok = bytes.CutSuffix(b, []byte("\n")); ok {
		return line, 0, true
	}
	if b, ok = bytes.CutSuffix(b, []byte("n")); !ok {
		return nil, 0, false
	}
	line = bytes.TrimRight(b, `\`)
	slashes := len(b) - len(line)
	escaped = bits.Len(uint(slashes))
	return line, escaped, slashes > 0 && slashes == 1<<(escaped-1) && escaped <= maxEscaped
}

// escapedLineEnd says how the line end is written that a text begins with.
func escapedLineEnd(b []byte) int {
	rest := bytes.TrimLeft(b, `\`)
	if slashes := len(b) - len(rest); slashes > 0 && len(rest) > 0 && rest[0] == 'n' {
		return bits.Len(uint(slashes))
	}
	return 0
}

// lastLine returns the last line of b, and where it begins. first is set where
// b, or the JSON string that the text is in, begins with it.
func lastLine(b []byte, escaped int) (line []byte, at int, first bool) {
	if escaped == 0 {
		at = bytes.LastIndexByte(b, '\n') + 1
		return b[at:], at, at == 0
	}
	for at = len(b); at > 0; {
		at = bytes.LastIndexAny(b[:at], `n"`)
		if at < 0 {
			break
		}
		slashes := at - len(bytes.TrimRight(b[:at], `\`))
		switch {
		case b[at] == 'n' && slashes == 1<<(escaped-1):
			return b[at+1:], at + 1, false
		case b[at] == '"' && slashes < 1<<escaped-1:
			return b[at:], at, false // the quote makes it a line of no mapping
		}
	}
	return b, 0, true
}

// yamlField reports whether a line belongs to a mapping that is indented by so
// many spaces. Where the mapping's first field is in it, it returns where, or -1.
func yamlField(line []byte, indent int) (first int, belongs bool) {
	const apiVersion = "apiVersion:"
	spaces := len(line) - len(bytes.TrimLeft(line, " "))
	switch at := bytes.LastIndex(line, []byte(apiVersion)); {
	case at == indent && (spaces == indent || spaces == indent-2 && line[spaces] == '-'):
		return at, true
	case at > 0 && indent == 0 && (line[at-1] != ' ' || notText(line[:at])):
		return at, true // behind bytes that are not of the text
	case spaces == len(line):
		return -1, true
	case spaces > indent:
		return -1, true
	case spaces < indent:
		return -1, false
	}
	field := line[indent:]
	if field[0] == '-' {
		return -1, len(field) == 1 || field[1] == ' '
	}
	colon := bytes.IndexByte(field, ':')
	for i := range max(colon, 0) {
		if c := field[i]; c < '0' || c >= 0x7f {
			return -1, false
		}
	}
	return -1, colon > 0 || field[0] == '#'
}

// notText reports whether b is something else than ASCII text.
func notText(b []byte) bool {
	return bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r >= 0x7f })
}
