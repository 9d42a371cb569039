package encryptionconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	kjson "sigs.k8s.io/json"
)

// The decoders' own errors quote what they found. With a quote missing that can
// be a part of a key, so only positions and known words are passed on.

func safeYAMLError(err error) error {
	if line := regexp.MustCompile(`line \d+`).FindString(err.Error()); line != "" {
		return fmt.Errorf("not valid YAML near %s, or a field is given twice there", line)
	}
	return errors.New("not valid YAML")
}

func safeTypeError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		if path, known := safePath(wrong.Field); known {
			return fmt.Errorf("%s has the wrong type", path)
		}
	}
	if errors.Is(err, errSecretNotString) {
		return errSecretNotString
	}
	return errors.New("a value has the wrong type")
}

func safeFieldErrors(strict []error) error {
	var safe []error
	for _, err := range strict {
		field, ok := err.(kjson.FieldError) //nolint:errorlint // an interface that these errors implement themselves
		if !ok {
			safe = append(safe, errors.New("a field is unknown or given twice"))
			continue
		}
		path, known := safePath(field.FieldPath())
		switch {
		case strings.HasPrefix(err.Error(), "duplicate"):
			safe = append(safe, fmt.Errorf("duplicate field %s", path))
		case known:
			safe = append(safe, fmt.Errorf("unknown field %s", path))
		default:
			safe = append(safe, fmt.Errorf("unknown field in %s", path))
		}
	}
	return errors.Join(safe...)
}

// safePath returns the path up to the first element that is not a harmless
// word, and whether that was all of it.
func safePath(path string) (safe string, all bool) {
	// A field of the format, in whatever case, or a short word in lower case.
	harmless := regexp.MustCompile(`^((?i:apiVersion|kind|resources|providers|aesgcm|aescbc|secretbox|identity|kms|keys|name|secret|cachesize|endpoint|timeout)|[a-z]{1,10})(\[\d+\])*$`)
	elements := strings.Split(path, ".")
	for i, e := range elements {
		if !harmless.MatchString(e) {
			if i == 0 {
				return "the file", false
			}
			return strings.Join(elements[:i], "."), false
		}
	}
	return path, true
}
