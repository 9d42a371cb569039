package main

import (
	_ "github.com/hashicorp/go-hclog"
	_ "github.com/hashicorp/vault-plugin-auth-jwt"
	_ "github.com/hashicorp/vault-plugin-auth-kubernetes"
	_ "github.com/hashicorp/vault/audit"
	_ "github.com/hashicorp/vault/builtin/credential/approle"
	_ "github.com/hashicorp/vault/builtin/credential/cert"
	_ "github.com/hashicorp/vault/builtin/credential/userpass"
	_ "github.com/hashicorp/vault/builtin/logical/transit"
	_ "github.com/hashicorp/vault/http"
	_ "github.com/hashicorp/vault/internalshared/configutil"
	_ "github.com/hashicorp/vault/physical/raft"
	_ "github.com/hashicorp/vault/vault"
)

func main() {}
