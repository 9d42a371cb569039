// Package boundedyaml measures a YAML document before it is decoded. A decoder writes an
// alias out wherever it stands: a file of one megabyte with one long text and thousands of
// aliases of it takes gigabytes.
package boundedyaml

import (
	"bytes"
	"errors"
	"fmt"

	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

// The most that a document may have once its aliases are written out.
const (
	MostValues = 100_000
	MostBytes  = 4 << 20 // of its scalars
)

// TooLargeError says that a document would grow beyond MostValues or MostBytes. It contains
// nothing of the document.
type TooLargeError struct{}

func (TooLargeError) Error() string {
	return fmt.Sprintf("its aliases unfold to more than %d values or %d bytes", MostValues, MostBytes)
}

// Unmarshal decodes a document as sigs.k8s.io/yaml does. Other errors than TooLargeError
// are those of the library, which quote what they found.
func Unmarshal(text []byte, into any) error {
	if err := Check(text); err != nil {
		return err
	}
	return k8syaml.Unmarshal(text, into)
}

// Check returns a TooLargeError for a document that must not be decoded.
func Check(text []byte) error {
	_, err := Nodes(text)
	return err
}

// Nodes returns the first document as it is written, aliases not followed; nil if it is
// empty or no YAML, which its decoder explains.
func Nodes(text []byte) (*yaml.Node, error) {
	var root yaml.Node
	switch err := yaml.Unmarshal(text, &root); {
	case err != nil && bytes.IndexByte(text, '&') >= 0 && bytes.IndexByte(text, '*') >= 0 && parses(text):
		// The decoder accepts what cannot be measured here. Without an anchor and an alias it
		// cannot grow.
		return nil, TooLargeError{}
	case err != nil || len(root.Content) == 0:
		return nil, nil //nolint:nilerr,nilnil // as documented
	}
	top := root.Content[0]
	if s := unfolded(top, map[*yaml.Node]size{}); s.values > MostValues || s.bytes > MostBytes {
		return nil, TooLargeError{}
	}
	return top, nil
}

// parses reports whether the library below sigs.k8s.io/yaml takes a text for YAML. It reads
// all of it into nodes, and unfolds no value: an empty struct has no use for them.
func parses(text []byte) bool {
	err := yamlv2.Unmarshal(text, &struct{}{})
	_, wrongType := errors.AsType[*yamlv2.TypeError](err)
	return err == nil || wrongType
}

// size is what a node has with its aliases written out.
type size struct{ values, bytes int }

// unfolded measures a node. An alias of what contains it counts as nothing: decoders refuse
// it. Sums stop growing above the limits, so that they never overflow.
func unfolded(n *yaml.Node, known map[*yaml.Node]size) size {
	if s, found := known[n]; found {
		return s
	}
	known[n] = size{}
	s := size{values: 1, bytes: len(n.Value)}
	if n.Kind == yaml.AliasNode {
		s = unfolded(n.Alias, known)
	}
	for _, below := range n.Content {
		b := unfolded(below, known)
		s.values = min(s.values+b.values, 2*MostValues)
		s.bytes = min(s.bytes+b.bytes, 2*MostBytes)
	}
	known[n] = s
	return s
}
