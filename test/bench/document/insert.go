package main

import (
	"bytes"
	"fmt"
)

// insert replaces what stands between the lines "<!-- begin NAME -->" and
// "<!-- end NAME -->".
func insert(page []byte, name, part string) ([]byte, error) {
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->\n"
	before, rest, ok := bytes.Cut(page, []byte(begin))
	if !ok {
		return nil, fmt.Errorf("the line %q is missing", begin)
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, fmt.Errorf("the line %q is missing after its begin", end)
	}
	return bytes.Join([][]byte{before, []byte(begin + "\n" + part + "\n" + end), after}, nil), nil
}
