package encryptionconfig

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// These mirror k8s.io/apiserver/pkg/apis/apiserver/v1. Their keys are
// overwritten after parsing, see forget.
type (
	fileConfig struct {
		Kind       string         `json:"kind,omitempty"`
		APIVersion string         `json:"apiVersion,omitempty"`
		Resources  []fileResource `json:"resources"`
	}
	fileResource struct {
		Resources []string       `json:"resources"`
		Providers []fileProvider `json:"providers"`
	}
	fileProvider struct {
		AESGCM    *fileKeys `json:"aesgcm,omitempty"`
		AESCBC    *fileKeys `json:"aescbc,omitempty"`
		Secretbox *fileKeys `json:"secretbox,omitempty"`
		Identity  *struct{} `json:"identity,omitempty"`
		KMS       *fileKMS  `json:"kms,omitempty"`
	}
	fileKeys struct {
		Keys []fileKey `json:"keys"`
	}
	fileKey struct {
		Name   string `json:"name"`
		Secret secret `json:"secret"`
	}
	fileKMS struct {
		APIVersion string          `json:"apiVersion"`
		Name       string          `json:"name"`
		CacheSize  *int32          `json:"cachesize,omitempty"`
		Endpoint   string          `json:"endpoint"`
		Timeout    json.RawMessage `json:"timeout,omitempty"`
	}
)

// secret is a key while the file is parsed. Its length is -1 if it was not
// valid base64, 0 if there was none.
type secret struct {
	length int
	key    []byte
}

func (s *secret) UnmarshalJSON(raw []byte) error {
	s.forget() // given twice, which is an error later
	defer clear(raw)
	if len(raw) < 2 || raw[0] != '"' {
		return errSecretNotString
	}
	encoded := withoutLineBreaks(raw[1 : len(raw)-1])
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(decoded, encoded)
	s.length, s.key = n, decoded
	if err != nil {
		s.forget()
		s.length = -1
	}
	return nil
}

func (s *secret) forget() {
	clear(s.key)
	s.key = nil
}

// bytes is the key, for a length that has been checked.
func (s *secret) bytes() []byte { return s.key[:s.length] }

// withoutLineBreaks takes out, in place, the line breaks of a YAML block, which
// base64 allows anywhere. Nothing else in base64 is escaped in JSON.
func withoutLineBreaks(encoded []byte) []byte {
	kept := encoded[:0]
	for i := 0; i < len(encoded); i++ {
		if encoded[i] == '\\' && i+1 < len(encoded) && (encoded[i+1] == 'n' || encoded[i+1] == 'r') {
			i++
			continue
		}
		kept = append(kept, encoded[i])
	}
	return kept
}

var errSecretNotString = errors.New("a key's secret is not a string")

// The identity of the file's format.
const (
	apiVersion = "apiserver.config.k8s.io/v1"
	kind       = "EncryptionConfiguration"
)

// maxFile bounds the file, in bytes. Real ones have a few kilobytes.
const maxFile = 4 << 20

// Load reads an EncryptionConfiguration from a file, YAML or JSON, and keeps
// none of its keys: Provider.Try then tries nothing.
func Load(file string) (*Config, error) { return LoadWithKeys(file, nil) }

// LoadWithKeys reads an EncryptionConfiguration from a file. It gives every key to
// opener, and Provider.Try uses what that returns.
func LoadWithKeys(file string, opener NewOpener) (*Config, error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, fmt.Errorf("read the EncryptionConfiguration: %w", err)
	}
	defer clear(data)
	c, err := ParseWithKeys(data, opener)
	if err != nil {
		return nil, fmt.Errorf("EncryptionConfiguration %s: %w", file, err)
	}
	return c, nil
}

func readBounded(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", file, info.Size(), maxFile)
	}
	return os.ReadFile(file) //nolint:gosec // the operator names the file
}

// Parse reads an EncryptionConfiguration as Load does.
func Parse(data []byte) (*Config, error) { return ParseWithKeys(data, nil) }

// ParseWithKeys reads an EncryptionConfiguration as LoadWithKeys does. It refuses what an API
// server refuses, and names every mistake with its path. KMS v1 is accepted, although an API server wants a feature gate for it.
func ParseWithKeys(data []byte, opener NewOpener) (*Config, error) {
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	if err := boundedyaml.Check(data); err != nil {
		return nil, err
	}
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, safeYAMLError(err)
	}
	defer clear(asJSON)
	var file fileConfig
	defer file.forget()
	strict, err := kjson.UnmarshalStrict(asJSON, &file)
	if err != nil {
		return nil, safeTypeError(err)
	}
	if len(strict) > 0 {
		return nil, safeFieldErrors(strict)
	}
	if file.APIVersion != apiVersion || file.Kind != kind {
		return nil, fmt.Errorf("want apiVersion %s and kind %s", apiVersion, kind)
	}
	file.setDefaults()
	if err := file.validate(); err != nil {
		return nil, err
	}
	return newConfig(file, opener)
}

// forget clears every key.
func (f *fileConfig) forget() {
	for _, r := range f.Resources {
		for _, p := range r.Providers {
			for _, keys := range []*fileKeys{p.AESGCM, p.AESCBC, p.Secretbox} {
				if keys == nil {
					continue
				}
				for i := range keys.Keys {
					keys.Keys[i].Secret.forget()
				}
			}
		}
	}
}

func (f *fileConfig) setDefaults() {
	for _, r := range f.Resources {
		for _, p := range r.Providers {
			if p.KMS != nil && p.KMS.APIVersion == "" {
				p.KMS.APIVersion = "v1"
			}
		}
	}
}
