// Package access says what an API server's AuthorizationConfiguration and
// AuthenticationConfiguration decide about who may do what. It is pure.
//
// Files are refused as k8s.io/apiserver v0.37.1 refuses them (pkg/apis/apiserver/validation,
// and k8s.io/kubernetes' pkg/kubeapiserver/authorizer/config.go), except for what stands in
// the sections of webhooks and of JWT, which are not looked at.
package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/internal/boundedyaml"
)

type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// Authorizers returns the types of the authorizers of an AuthorizationConfiguration, in
// their order. It fails on a file that an API server refuses.
func Authorizers(text []byte) (types []string, err error) {
	var file struct {
		header      `json:",inline"`
		Authorizers []struct {
			Type    string          `json:"type"`
			Name    string          `json:"name"`
			Webhook json.RawMessage `json:"webhook"`
		} `json:"authorizers"`
	}
	if err := decode(text, "AuthorizationConfiguration", &file, &file.header); err != nil {
		return nil, err
	}
	for i, a := range file.Authorizers {
		name := strings.ToLower(a.Type) // of all but webhooks
		webhook := len(a.Webhook) > 0 && string(a.Webhook) != "null"
		switch {
		case !slices.Contains(apiserverconfig.Authorizers(), a.Type):
			return nil, fmt.Errorf("authorizer %d has no known type", i+1)
		case a.Type != "Webhook" && slices.Contains(types, a.Type):
			return nil, fmt.Errorf("the type of authorizer %d is there twice", i+1)
		case a.Type != "Webhook" && a.Name != name:
			return nil, fmt.Errorf("the name of authorizer %d is not %s", i+1, name)
		case a.Type == "Webhook" && a.Name == "":
			return nil, fmt.Errorf("authorizer %d has no name", i+1)
		case webhook != (a.Type == "Webhook"):
			return nil, fmt.Errorf("authorizer %d is a webhook without a webhook section, or has one and is none", i+1)
		}
		types = append(types, a.Type)
	}
	if len(types) == 0 {
		return nil, errors.New("it has no authorizers")
	}
	return types, nil
}

// Anonymous is what an AuthenticationConfiguration says of anonymous requests.
type Anonymous struct {
	Enabled bool
	// Paths are the only ones at which they are taken, each an exact path; all if there are none.
	Paths []string
}

// AnonymousIn returns what an AuthenticationConfiguration says of anonymous requests, nil if
// it says nothing, and the flag decides. It fails on a file that an API server refuses.
func AnonymousIn(text []byte) (*Anonymous, error) {
	var file struct {
		header    `json:",inline"`
		JWT       json.RawMessage `json:"jwt"`
		Anonymous *struct {
			Enabled    bool `json:"enabled"`
			Conditions []struct {
				Path string `json:"path"`
			} `json:"conditions"`
		} `json:"anonymous"`
	}
	if err := decode(text, "AuthenticationConfiguration", &file, &file.header); err != nil {
		return nil, err
	}
	if file.Anonymous == nil {
		return nil, nil //nolint:nilnil // as documented
	}
	a := &Anonymous{Enabled: file.Anonymous.Enabled}
	for _, c := range file.Anonymous.Conditions {
		a.Paths = append(a.Paths, c.Path)
	}
	if !a.Enabled && len(a.Paths) > 0 {
		return nil, errors.New("anonymous has conditions, but is not enabled")
	}
	return a, nil
}

// decode decodes a file as strictly as the API server does. Its errors hold nothing of the
// file.
func decode(text []byte, kind string, into any, h *header) error {
	if err := boundedyaml.Check(text); err != nil {
		return err
	}
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return errors.New("not valid YAML, or a key is there twice")
	}
	unknown, err := kjson.UnmarshalStrict(asJSON, into)
	versions := []string{"apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"}
	switch {
	case err != nil:
		return errors.New("not an " + kind + ": a value has the wrong type")
	case !slices.Contains(versions, h.APIVersion) || h.Kind != kind:
		return errors.New("want apiVersion apiserver.config.k8s.io/v1 and kind " + kind)
	case len(unknown) > 0:
		return errors.New("it has a field that the API server does not know")
	}
	return nil
}
