package storedvalue

import "bytes"

// ReadJSON reads what an object in JSON says of itself, as ReadObject does.
// escaped says how often the text was made the content of a JSON string: 0 for
// a value in etcd, 1 for the annotation last-applied-configuration of an object
// in JSON. With 1 a quote is written \" and one within a string \\\".
func ReadJSON(b []byte, escaped int) Object {
	r := jsonReader{b: b, unit: 1 << escaped}
	r.read()
	return r.o
}

// jsonReader walks the text once, without recursion. Only strings of the first
// levels matter; of all others it is enough to find their end.
type jsonReader struct {
	b     []byte
	at    int
	unit  int // a backslash of the text is written as so many
	depth int
	// key is the last name of a field on the outer levels, of which the third is the list
	// of managedFields, and colon is set where its value comes next.
	key   [4][]byte
	colon bool
	o     Object
}

func (r *jsonReader) read() {
	for r.at < len(r.b) {
		switch c := r.b[r.at]; c {
		case '{', '[':
			r.depth++
			r.colon = false
			r.at++
		case '}', ']':
			r.depth--
			r.colon = false
			r.at++
			if r.depth == 0 {
				r.end()
				return
			}
		case ':':
			r.colon = true
			r.at++
		case ',':
			r.colon = false
			r.at++
		case '"', '\\':
			if !r.escaped() {
				r.o.Length = r.at
				return
			}
		default:
			if !spaceByte(c) && !literalByte(c) {
				r.o.Length = r.at
				return
			}
			r.at++
		}
	}
	r.o.Length = r.at
}

// end completes the object. An API server ends a stored one with a line end.
func (r *jsonReader) end() {
	if r.unit == 1 && r.at < len(r.b) && r.b[r.at] == '\n' {
		r.at++
	}
	r.o.Length, r.o.Complete = r.at, true
}

// escaped reads a string, or white space that is written with a backslash.
func (r *jsonReader) escaped() bool {
	start := r.at
	for start < len(r.b) && r.b[start] == '\\' {
		start++
	}
	slashes := start - r.at
	switch {
	case start == len(r.b):
		return false
	case r.b[start] == '"' && slashes == r.unit-1:
		return r.text(start + 1)
	case bytes.IndexByte([]byte("nrt"), r.b[start]) >= 0 && slashes > 0 && slashes == r.unit/2:
		r.at = start + 1
		return true
	default:
		return false
	}
}

// text reads the rest of a string.
func (r *jsonReader) text(start int) bool {
	for from := start; ; {
		n := bytes.IndexByte(r.b[from:], '"')
		if n < 0 {
			n = len(r.b) - from
		}
		quote := from + n
		if bad := controlByte(r.b[from:quote]); bad >= 0 || quote == len(r.b) {
			if bad < 0 {
				bad = n
			}
			r.at = from + bad
			return false
		}
		slashes := 0
		for slashes < quote-start && r.b[quote-1-slashes] == '\\' {
			slashes++
		}
		if slashes%r.unit != r.unit-1 {
			r.at = quote
			return false // the quote ends a string that this text is in
		}
		from = quote + 1
		if slashes/r.unit%2 == 0 {
			end := quote - (r.unit - 1)
			r.at = from
			r.keep(r.b[start:end:end])
			return true
		}
	}
}

// keep takes a string as the name of a field, or as the value of one.
func (r *jsonReader) keep(text []byte) {
	level := r.depth - 1
	switch {
	case level < 0 || level >= len(r.key):
	case !r.colon:
		r.key[level] = text
		r.o.Data = r.o.Data || level == 0 && isData(text)
	case level == 0:
		r.o.set(r.key[0], text)
	case string(r.key[0]) != "metadata":
	case level == 1:
		r.o.setMeta(r.key[1], text)
	case level == 3 && string(r.key[1]) == "managedFields" && string(r.key[3]) == "time":
		r.o.managed(text)
	}
	r.colon = false
}

func spaceByte(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// literalByte is what numbers, true, false and null consist of.
func literalByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// controlByte returns where text has a byte that no string in JSON and no line
// in YAML has, or -1.
func controlByte(text []byte) int {
	for i, c := range text {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return i
		}
	}
	return -1
}
