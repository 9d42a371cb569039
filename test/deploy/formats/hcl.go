package main

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// parseHCL returns the body of a file.
func parseHCL(name string, text []byte) (*hclsyntax.Body, error) {
	file, diagnostics := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, fmt.Errorf("%s: the parser returned a %T", name, file.Body)
	}
	return body, nil
}

// readPolicy returns the capabilities that a Vault policy grants by path.
func readPolicy(name string, text []byte) (map[string][]string, error) {
	body, err := parseHCL(name, text)
	if err != nil {
		return nil, err
	}
	granted := map[string][]string{}
	for _, block := range body.Blocks {
		capabilities := block.Body.Attributes["capabilities"]
		if block.Type != "path" || len(block.Labels) != 1 || capabilities == nil || len(block.Body.Attributes) != 1 {
			return nil, fmt.Errorf("%s: not a path with capabilities and nothing else", block.DefRange())
		}
		value, diagnostics := capabilities.Expr.Value(nil)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		if _, again := granted[block.Labels[0]]; again {
			return nil, fmt.Errorf("%s: %s is there twice", block.DefRange(), block.Labels[0])
		}
		for _, v := range value.AsValueSlice() {
			granted[block.Labels[0]] = append(granted[block.Labels[0]], v.AsString())
		}
	}
	return granted, nil
}

// readTerraform returns the attributes of each resource, by "type.name", with
// variables at their defaults. An attribute that depends on anything else is
// returned as its source.
func readTerraform(name string, text []byte) (map[string]map[string]any, error) {
	body, err := parseHCL(name, text)
	if err != nil {
		return nil, err
	}
	defaults := map[string]cty.Value{}
	for _, block := range body.Blocks {
		if block.Type != "variable" || block.Body.Attributes["default"] == nil {
			continue
		}
		value, diagnostics := block.Body.Attributes["default"].Expr.Value(nil)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		defaults[block.Labels[0]] = value
	}
	evaluation := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(defaults)}}
	resources := map[string]map[string]any{}
	for _, block := range body.Blocks {
		if block.Type != "resource" {
			continue
		}
		attributes := map[string]any{}
		for _, a := range block.Body.Attributes {
			value, diagnostics := a.Expr.Value(evaluation)
			if diagnostics.HasErrors() {
				attributes[a.Name] = string(a.Expr.Range().SliceBytes(text))
				continue
			}
			attributes[a.Name] = ctyjson.SimpleJSONValue{Value: value}
		}
		for _, nested := range block.Body.Blocks {
			for _, a := range nested.Body.Attributes {
				attributes[nested.Type+"."+a.Name] = string(a.Expr.Range().SliceBytes(text))
			}
		}
		resources[block.Labels[0]+"."+block.Labels[1]] = attributes
	}
	return resources, nil
}
