package verify

import "encoding/json"

// What an API server stores the definitions of custom resources as.
const (
	definitionsPath = "apiextensions.k8s.io/customresourcedefinitions"
	definitionKind  = "CustomResourceDefinition"
)

// definition reads what a CustomResourceDefinition defines. API servers store it as JSON,
// whatever else they are configured to write
// (a legacy codec, pkg/cmd/server/options/options.go of k8s.io/apiextensions-apiserver v0.37.1). In
// another encoding, or with names that are too long, it defines nothing.
func definition(object []byte) Kind {
	var d struct {
		Spec struct {
			Group string `json:"group"`
			Names struct {
				Plural string `json:"plural"`
				Kind   string `json:"kind"`
			} `json:"names"`
		} `json:"spec"`
	}
	if json.Unmarshal(object, &d) != nil || d.Spec.Group == "" || d.Spec.Names.Plural == "" || d.Spec.Names.Kind == "" {
		return Kind{}
	}
	k := Kind{Path: d.Spec.Group + "/" + d.Spec.Names.Plural, Name: d.Spec.Names.Kind}
	if max(len(k.Path), len(k.Name)) > 2*maxName {
		return Kind{} // an API server accepts no such names
	}
	return k
}
