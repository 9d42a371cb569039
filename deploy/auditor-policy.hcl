# What "etcdaudit scan --verify --transit" needs, and no more. Whoever has a token with it and
# a copy of etcd reads every Secret in that: give it for the time of an audit, and revoke it
# then (docs/auditor-verify.md).

# Unwraps DEK sources and local KEKs. Without it nothing is opened.
path "transit/decrypt/kubernetes" { capabilities = ["update"] }

# Names the key's versions. Without it values open, and the report does not say by which version.
path "transit/keys/kubernetes"    { capabilities = ["read"] }

# Shows how long the token lives. Without it no token from a file is used.
path "auth/token/lookup-self"     { capabilities = ["read"] }
