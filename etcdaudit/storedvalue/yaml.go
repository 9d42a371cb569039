package storedvalue

import "bytes"

// maxYAMLHead bounds the search for the first line that names the object's
// type, in bytes. An API server sorts the fields: only a few can stand before
// apiVersion, and none of them is long.
const maxYAMLHead = 4096

// isYAML recognises an object in YAML, as an API server with
// --storage-media-type=application/yaml stores it: a line that begins with
// apiVersion or kind, in the outermost mapping. It need not be the first line
// (an Event begins with action), and kind alone would not do: it stands behind
// the data of a Secret.
func isYAML(value []byte) bool {
	if len(value) == 0 || !wordByte(value[0]) && value[0] != '-' && value[0] != '#' && value[0] != '"' && value[0] != '\'' {
		return false // nearly every value is decided here
	}
	for head := value[:min(len(value), maxYAMLHead)]; len(head) > 0; {
		line := head
		if end := bytes.IndexByte(head, '\n'); end >= 0 {
			line, head = head[:end], head[end+1:]
		} else {
			head = nil
		}
		if bytes.IndexFunc(line, controlRune) >= 0 {
			return false
		}
		if key, ok := mappingKey(line); ok && (string(key) == "apiVersion" || string(key) == "kind") {
			return true
		}
	}
	return false
}

// mappingKey returns the key that a line without indentation begins with.
func mappingKey(line []byte) (key []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, false
	}
	if after := line[colon+1:]; len(after) > 0 && after[0] != ' ' && after[0] != '\t' && after[0] != '\r' {
		return nil, false
	}
	key = line[:colon]
	if quote := key[0]; (quote == '"' || quote == '\'') && len(key) > 2 && key[len(key)-1] == quote {
		key = key[1 : len(key)-1]
	}
	return key, true
}

func wordByte(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// controlRune reports what no YAML text contains. Bytes that are not UTF-8 are
// left alone: the bound may have cut a character.
func controlRune(r rune) bool { return r < 0x20 && r != '\t' && r != '\r' || r == 0x7f }
