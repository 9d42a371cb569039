package encryptionconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// MarshalJSON returns the rules in the order of their entries. Keys are not in it, nor what
// tries them: a configuration that is read back tries nothing.
func (c *Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.Rules()) }

// UnmarshalJSON reads what MarshalJSON has written.
func (c *Config) UnmarshalJSON(data []byte) error {
	var rules []Rule
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&rules); err != nil {
		return fmt.Errorf("read the rules of an EncryptionConfiguration: %w", err)
	}
	c.rules = make(map[groupResource]Rule, len(rules))
	for _, r := range rules {
		gr := parseResource(r.Entry)
		if _, twice := c.rules[gr]; twice || gr.String() != r.Entry {
			return fmt.Errorf("read the rules of an EncryptionConfiguration: the entry %q is there twice or is none", r.Entry)
		}
		for _, p := range r.Providers {
			if !slices.Contains([]string{AESCBC, AESGCM, Secretbox, KMSv1, KMSv2, Identity}, p.Kind) {
				return fmt.Errorf("read the rules of an EncryptionConfiguration: %q is no kind of provider", p.Kind)
			}
		}
		c.rules[gr] = r
	}
	return nil
}
