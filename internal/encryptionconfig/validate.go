package encryptionconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// validate makes the API server's checks (ValidateEncryptionConfiguration, as
// with automatic reload) and joins every mistake. A mistake is named by its path
// alone, never by the text that was found there: in a file with a quote missing
// that text may be a key.
func (f *fileConfig) validate() error {
	if len(f.Resources) == 0 {
		return errors.New("resources: at least one entry is required")
	}
	var errs []error
	kmsNames := map[string]bool{}
	for i, r := range f.Resources {
		path := fmt.Sprintf("resources[%d]", i)
		errs = append(errs, validateResources(path+".resources", r.Resources)...)
		if len(r.Providers) == 0 {
			errs = append(errs, fmt.Errorf("%s.providers: at least one provider is required", path))
		}
		for j, p := range r.Providers {
			errs = append(errs, validateProvider(fmt.Sprintf("%s.providers[%d]", path, j), p, kmsNames)...)
		}
	}
	return errors.Join(errs...)
}

func validateResources(path string, resources []string) (errs []error) {
	if len(resources) == 0 {
		return []error{fmt.Errorf("%s: at least one resource is required", path)}
	}
	for i, r := range resources {
		if reason := refuseResource(r); reason != "" {
			errs = append(errs, fmt.Errorf("%s[%d]: %s", path, i, reason))
		}
		for j, other := range resources[:i] {
			a, b := parseResource(r), parseResource(other)
			switch {
			case a == b:
				errs = append(errs, fmt.Errorf("%s[%d]: is given twice", path, i))
			case a == everything() || b == everything() || a.group == b.group && (a.name == "*" || b.name == "*"):
				errs = append(errs, fmt.Errorf("%s[%d]: overlaps with [%d]", path, i, j))
			}
		}
	}
	return errs
}

func refuseResource(r string) string {
	parsed := parseResource(r)
	switch {
	case strings.ToLower(r) != r:
		return "resources are written in lower case"
	case r == "*":
		return "write *. for the core group or *.* for all"
	case r == "apiserveripinfo" || r == "serviceipallocations" || r == "servicenodeportallocations":
		return "resources without a REST API cannot be encrypted by name"
	case parsed.group == "events.k8s.io":
		return "events are stored in the core group: write events"
	case parsed.group == "extensions":
		return "the group extensions no longer exists"
	case parsed.group == "*" && parsed.name != "*":
		return "one resource across all groups cannot be named"
	default:
		return ""
	}
}

func validateProvider(path string, p fileProvider, kmsNames map[string]bool) (errs []error) {
	given := 0
	for _, set := range []bool{p.AESGCM != nil, p.AESCBC != nil, p.Secretbox != nil, p.Identity != nil, p.KMS != nil} {
		if set {
			given++
		}
	}
	if given != 1 {
		return []error{fmt.Errorf("%s: want exactly one of aesgcm, aescbc, secretbox, identity and kms, not %d", path, given)}
	}
	switch {
	case p.AESGCM != nil:
		return validateKeys(path+".aesgcm", p.AESGCM.Keys, 16, 24, 32)
	case p.AESCBC != nil:
		return validateKeys(path+".aescbc", p.AESCBC.Keys, 16, 24, 32)
	case p.Secretbox != nil:
		return validateKeys(path+".secretbox", p.Secretbox.Keys, 32)
	case p.KMS != nil:
		return validateKMS(path+".kms", p.KMS, kmsNames)
	default:
		return nil
	}
}

func validateKeys(path string, keys []fileKey, lengths ...int) (errs []error) {
	if len(keys) == 0 {
		return []error{fmt.Errorf("%s.keys: at least one key is required", path)}
	}
	for i, k := range keys {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		if k.Name == "" {
			errs = append(errs, fmt.Errorf("%s.name: required", at))
		}
		switch n := k.Secret.length; {
		case n == 0:
			errs = append(errs, fmt.Errorf("%s.secret: required", at))
		case n < 0:
			errs = append(errs, fmt.Errorf("%s.secret: not base64", at))
		case !slices.Contains(lengths, n):
			errs = append(errs, fmt.Errorf("%s.secret: has %d bytes, want one of %v", at, n, lengths))
		}
	}
	return errs
}

func validateKMS(path string, k *fileKMS, names map[string]bool) (errs []error) {
	fail := func(text string) { errs = append(errs, errors.New(path+text)) }
	if k.APIVersion != "v1" && k.APIVersion != "v2" {
		fail(".apiVersion: want v1 or v2")
	}
	switch {
	case k.Name == "":
		fail(".name: required")
	case k.APIVersion != "v1" && strings.Contains(k.Name, ":"):
		fail(".name: must not contain a colon")
	case names[k.Name]:
		fail(".name: is used twice")
	}
	names[k.Name] = true
	if u, err := url.Parse(k.Endpoint); k.Endpoint == "" || err != nil || u.Scheme != "unix" {
		fail(".endpoint: want unix:///path/to/socket")
	}
	switch {
	case k.CacheSize == nil:
	case k.APIVersion != "v1":
		fail(".cachesize: only for apiVersion v1")
	case *k.CacheSize == 0:
		fail(".cachesize: must not be 0")
	}
	if _, reason := parseTimeout(k.Timeout); reason != "" {
		fail(".timeout: " + reason)
	}
	return errs
}

// defaultTimeout is the API server's (pkg/apis/apiserver/v1/defaults.go).
const defaultTimeout = 3 * time.Second

func parseTimeout(raw json.RawMessage) (d time.Duration, reason string) {
	if len(raw) == 0 || string(raw) == "null" {
		return defaultTimeout, ""
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, "want a duration such as 3s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, "want a duration above zero, such as 3s"
	}
	return d, ""
}
