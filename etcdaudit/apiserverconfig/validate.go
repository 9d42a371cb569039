package apiserverconfig

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// validate reads the flags that have a format of their own, and returns why kube-apiserver
// would not start: the first of its own reasons, of k8s.io/apiserver's
// pkg/server/options/{etcd,serving}.go, component-base's cli/flag, and k8s.io/kubernetes'
// pkg/kubeapiserver/options/authorization.go.
func (c *Config) validate() string {
	gates, err := featureGates(c.Given["feature-gates"])
	if err != "" {
		return err
	}
	c.FeatureGates = gates
	overrides, err := overrides(c.Given["etcd-servers-overrides"])
	if err != "" {
		return err
	}
	c.Etcds = append(c.Etcds, overrides...)
	last := func(name string) string {
		values := c.Given[name]
		if len(values) == 0 {
			return ""
		}
		return values[len(values)-1]
	}
	switch media := last("storage-media-type"); {
	case len(c.Given["etcd-servers"]) == 0:
		return "--etcd-servers must be specified"
	case last("storage-backend") != "" && last("storage-backend") != "etcd3":
		return "--storage-backend invalid: only etcd3 is allowed"
	case c.EncryptionReload && c.EncryptionConfig == "":
		return "--encryption-provider-config-automatic-reload must be set with --encryption-provider-config"
	case media != "" && !slices.Contains([]string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}, media):
		return "--storage-media-type invalid"
	case c.SecurePort < 1 || c.SecurePort > 65535:
		return fmt.Sprintf("--secure-port %d must be between 1 and 65535, inclusive", c.SecurePort)
	case c.TLSMinVersion != "" && !slices.Contains([]string{"VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"}, c.TLSMinVersion):
		return "--tls-min-version: unknown tls version"
	}
	for i, suite := range c.CipherSuites {
		if !knownSuite(suite) {
			return fmt.Sprintf("--tls-cipher-suites: cipher suite %d is not supported or does not exist", i+1)
		}
	}
	return c.validateAuthorization()
}

// validateAuthorization looks at the flags about authorization. What a file says is not known
// here.
func (c *Config) validateAuthorization() string {
	given := func(name string) bool { _, ok := c.Given[name]; return ok }
	if c.AuthorizationConfig != "" {
		if slices.ContainsFunc([]string{"authorization-mode", "authorization-webhook-config-file", "authorization-webhook-version", "authorization-webhook-cache-authorized-ttl", "authorization-webhook-cache-unauthorized-ttl"}, given) {
			return "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined"
		}
		return ""
	}
	for i, mode := range c.AuthorizationModes {
		switch {
		case !slices.Contains(Authorizers(), mode):
			return fmt.Sprintf("--authorization-mode: mode %d is not a valid mode", i+1)
		case slices.Contains(c.AuthorizationModes[:i], mode):
			return "--authorization-mode has mode specified more than once"
		}
	}
	for _, pair := range [][2]string{{"ABAC", "authorization-policy-file"}, {"Webhook", "authorization-webhook-config-file"}} {
		file := c.Given[pair[1]]
		if slices.Contains(c.AuthorizationModes, pair[0]) != (len(file) > 0 && file[len(file)-1] != "") {
			return fmt.Sprintf("--%s must be set with --authorization-mode %s, and only with it", pair[1], pair[0])
		}
	}
	return ""
}

// knownSuite reports whether the API server knows a suite by a name. It takes two without
// the hash at their ends for what earlier releases of Go called them.
func knownSuite(name string) bool {
	same := func(s *tls.CipherSuite) bool {
		return s.Name == name || strings.HasSuffix(name, "_CHACHA20_POLY1305") && s.Name == name+"_SHA256"
	}
	return slices.ContainsFunc(tls.CipherSuites(), same) || slices.ContainsFunc(tls.InsecureCipherSuites(), same)
}

// overrides parses the items of --etcd-servers-overrides, "group/resource#server;server".
func overrides(items []string) (etcds []Etcd, refused string) {
	for _, item := range items {
		resource, servers, ok := strings.Cut(item, "#")
		list := strings.Split(servers, ";")
		if !ok || strings.Contains(servers, "#") || strings.Count(resource, "/") != 1 || slices.Contains(list, "") {
			return nil, "--etcd-servers-overrides invalid, must be of format: group/resource#servers, where servers are URLs, semicolon separated"
		}
		etcds = slices.DeleteFunc(etcds, func(e Etcd) bool { return e.Resource == resource }) // the last one wins
		etcds = append(etcds, Etcd{Resource: resource, Servers: list})
	}
	return etcds, ""
}

// featureGates parses --feature-gates, "name=true" or "kube:name=true", which may not be
// mixed. Later ones win.
func featureGates(values []string) (gates map[string]bool, refused string) {
	gates = map[string]bool{}
	var plain, prefixed bool
	for pair := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if pair == "" {
			continue
		}
		component, gate, ok := strings.Cut(pair, ":")
		if !ok {
			component, gate = "kube", pair
		}
		if strings.TrimSpace(component) != "kube" {
			return nil, "--feature-gates: a component is not registered"
		}
		plain, prefixed = plain || !ok, prefixed || ok
		name, value, ok := strings.Cut(gate, "=")
		if !ok {
			return nil, "--feature-gates: a gate has no value"
		}
		on, err := strconv.ParseBool(strings.TrimSpace(value))
		if err != nil {
			return nil, "--feature-gates: a gate is neither true nor false"
		}
		gates[strings.TrimSpace(name)] = on
	}
	if plain && prefixed {
		return nil, "--feature-gates: names with and without \"kube:\" are mixed"
	}
	return gates, ""
}
