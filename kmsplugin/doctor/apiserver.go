package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
)

func apiServerRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-701", Title: "EncryptionConfiguration", Why: "this file decides whether etcd holds plaintext or ciphertext, not the plugin", Run: checkEncryption},
	}
}

func checkEncryption(f Facts) []check.Result {
	e := f.Encryption
	switch {
	case e == nil:
		found := check.Unevaluated("", "no file was named", "name it with --encryption-provider-config")
		found.Expected = true
		return []check.Result{found}
	case e.Err != "":
		return []check.Result{check.Failed(e.File, e.Err, "correct the file: an API server does not start with it")}
	}
	ours := slices.IndexFunc(e.Secrets, func(p Provider) bool { return p.Endpoint != "" && socketOf(p.Endpoint) == f.Socket.Path })
	if ours < 0 {
		return []check.Result{check.Failed(e.File, "no provider of Secrets has the endpoint unix://"+f.Socket.Path, "add a kms provider with that endpoint, or correct socket.path")}
	}
	var all []check.Result
	p := e.Secrets[ours]
	if p.Kind != "kms v2" {
		all = append(all, check.Failed(e.File, "the provider with the plugin's endpoint is "+p.Kind, "set apiVersion: v2"))
	}
	if p.Timeout < f.Config.RequestTimeout {
		all = append(all, check.Failed(e.File, fmt.Sprintf("the provider's timeout is %v, less than the plugin's request-timeout (%v): the API server gives up before it gets the error", p.Timeout, f.Config.RequestTimeout), "raise timeout, or lower request-timeout"))
	}
	switch first := e.Secrets[0]; {
	case ours == 0:
	case first.Kind == "identity":
		all = append(all, check.Failed(e.File, "identity comes first: new Secrets are written in plaintext", "put the kms provider first, and rewrite all Secrets"))
	default:
		all = append(all, check.Warned(e.File, fmt.Sprintf("%s %s comes first: new Secrets are not encrypted by this plugin", first.Kind, first.Name), "put the kms provider first once every API server has loaded it"))
	}
	if i := slices.IndexFunc(e.Secrets, func(p Provider) bool { return p.Kind == "identity" }); i > ours && ours == 0 {
		all = append(all, check.Warned(e.File, "identity is still among the providers: the API server accepts plaintext that an attacker writes to etcd", "remove identity once etcdaudit scan finds no plaintext"))
	}
	if len(all) == 0 {
		all = append(all, check.Passed(e.File, "Secrets are written with "+p.Kind+" "+p.Name+" and this socket"))
	}
	return all
}

// socketOf is the path in a kms endpoint, unix:///path or unix:/path.
func socketOf(endpoint string) string {
	return strings.TrimPrefix(strings.TrimPrefix(endpoint, "unix:"), "//")
}
