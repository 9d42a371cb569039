package main

import (
	"maps"
	"slices"

	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

func secretEngines() map[string]logical.Factory {
	return map[string]logical.Factory{"transit": transit.Factory}
}

// authMethods lists what can be enabled below auth/; token is part of the core.
func authMethods() map[string]logical.Factory {
	return map[string]logical.Factory{
		"approle":    approle.Factory,
		"cert":       cert.Factory,
		"jwt":        jwt.Factory,
		"kubernetes": kubernetes.Factory,
		"userpass":   userpass.Factory,
	}
}

func auditDevices() map[string]audit.Factory {
	return map[string]audit.Factory{"file": audit.NewFileBackend}
}

// builtins is Vault's plugin catalogue, reduced to the factories above. The
// core asks it before every mount and panics without one.
type builtins struct{}

func (builtins) factories(t consts.PluginType) map[string]logical.Factory {
	switch t {
	case consts.PluginTypeSecrets:
		return secretEngines()
	case consts.PluginTypeCredential:
		return authMethods()
	default:
		return nil
	}
}

func (b builtins) Contains(name string, t consts.PluginType) bool {
	_, ok := b.factories(t)[name]
	return ok
}

func (b builtins) Get(name string, t consts.PluginType) (func() (any, error), bool) {
	factory, ok := b.factories(t)[name]
	if !ok {
		return nil, false
	}
	return func() (any, error) { return factory, nil }, true
}

func (b builtins) Keys(t consts.PluginType) []string {
	return slices.Sorted(maps.Keys(b.factories(t)))
}

func (b builtins) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	if !b.Contains(name, t) {
		return consts.Unknown, false
	}
	return consts.Supported, true
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
