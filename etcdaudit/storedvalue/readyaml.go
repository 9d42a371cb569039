package storedvalue

import "bytes"

// YAMLText is how the lines of an object in YAML are written.
type YAMLText struct {
	// Indent is how many spaces the lines of the outermost mapping begin with,
	// but for the first line, which begins with the first byte.
	Indent int
	// Escaped says how often the text was made the content of a JSON string: 0
	// for a value in etcd, 1 for a text in a custom resource. A line end is
	// then written \n.
	Escaped int
}

// ReadYAML reads what an object in YAML says of itself, as ReadObject does. The
// object ends before the first line that does not belong to its mapping. What an
// API server writes is read, and what people write in block style.
func ReadYAML(b []byte, text YAMLText) Object {
	r := yamlReader{b: b, text: text}
	for first := true; r.at < len(b); first = false {
		if !r.line(first) {
			break
		}
	}
	r.o.Length = r.at
	r.o.Complete = r.whole && len(r.o.Kind) > 0 && r.meta
	return r.o
}

type yamlReader struct {
	b    []byte
	at   int // behind the last line that was understood
	text YAMLText
	// inMeta is set within metadata, whose fields are indented by child.
	// managed is set within its list managedFields.
	inMeta      bool
	child       int
	managed     bool
	meta, whole bool
	o           Object
}

// line reads one line, and reports whether it belongs to the object.
func (r *yamlReader) line(first bool) bool {
	line, size, ended := r.cut(r.b[r.at:])
	bad := controlByte(line)
	if bad == 0 || size == 0 {
		return false // other bytes, or the end of the string that the text is in
	}
	if bad > 0 {
		// A text within protobuf need not end with a line end.
		line, size, ended = line[:bad], bad, false
	}
	indent := len(line) - len(bytes.TrimLeft(line, " "))
	field := line[indent:]
	if first {
		indent = r.text.Indent
	}
	switch {
	case len(bytes.TrimSpace(field)) == 0 || field[0] == '#':
		// Blank lines may stand anywhere, but none of an API server is the last.
	case indent < r.text.Indent:
		return false
	case indent == r.text.Indent:
		if field[0] == '-' && (len(field) == 1 || field[1] == ' ') {
			break // a list is not always indented
		}
		name, ok := mappingKey(field)
		if !ok {
			return false
		}
		r.outer(name, scalar(field))
	case r.inMeta:
		r.inner(indent, field)
	}
	r.at += size
	r.whole = ended
	return bad < 0
}

func (r *yamlReader) outer(name, text []byte) {
	r.o.set(name, text)
	r.o.Data = r.o.Data || isData(name)
	r.inMeta, r.child = string(name) == "metadata", 0
	r.meta = r.meta || r.inMeta
}

func (r *yamlReader) inner(indent int, field []byte) {
	if r.child == 0 {
		r.child = indent
	}
	switch name, ok := mappingKey(field); {
	case !ok || field[0] == '-': // a list may be as far to the left as its name
	case indent == r.child:
		r.o.setMeta(name, scalar(field))
		r.managed = string(name) == "managedFields"
	case r.managed && string(name) == "time": // the names in fieldsV1 are other ones: f:time
		r.o.managed(scalar(field))
	}
}

// cut returns the next line, its length with its end, and whether it has one.
func (r *yamlReader) cut(b []byte) (line []byte, size int, ended bool) {
	if r.text.Escaped == 0 {
		if n := bytes.IndexByte(b, '\n'); n >= 0 {
			return bytes.TrimSuffix(b[:n], []byte("\r")), n + 1, true
		}
		return b, len(b), false
	}
	slashes := 1 << (r.text.Escaped - 1)
	line, size, ended = cutEscaped(b, slashes)
	if cut, ok := bytes.CutSuffix(line, []byte("r")); ok && bytes.HasSuffix(cut, []byte(`\`)) {
		line = cut[:max(len(cut)-slashes, 0)] // a line end of Windows
	}
	return line, size, ended
}

// cutEscaped returns the next line of a text within a JSON string, in which a
// line end is written with so many backslashes. The line ends as well where the
// string does.
func cutEscaped(b []byte, slashes int) (line []byte, size int, ended bool) {
	for from := 0; ; {
		n := bytes.IndexAny(b[from:], `\"`)
		if n < 0 {
			return b, len(b), false
		}
		start := from + n
		end := start
		for end < len(b) && b[end] == '\\' {
			end++
		}
		switch {
		case end == len(b):
			return b, len(b), false
		case b[end] == '"' && end-start < 2*slashes-1:
			return b[:start], start, true
		case b[end] == 'n' && end-start == slashes:
			return b[:start], end + 1, true
		}
		from = end + 1
	}
}

// scalar returns the value behind the name of a field, without its quotes.
func scalar(field []byte) []byte {
	_, text, _ := bytes.Cut(field, []byte(":"))
	return bytes.Trim(text, " \t\r\\\"'")
}
