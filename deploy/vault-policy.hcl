# The least that kmsplugin needs, printed by "kmsplugin policy" (for vault).

# The key's type, versions and minimums, at every probe. Without it nothing starts.
path "transit/keys/kubernetes"          { capabilities = ["read"] }

# Wraps local KEKs and canaries; with envelope: vault, every seed. Never add "create":
# Transit would then create a missing key instead of reporting that it is missing.
path "transit/encrypt/kubernetes"       { capabilities = ["update"] }

# Opens canaries, wrapped local KEKs, and seeds that Vault wrapped.
path "transit/decrypt/kubernetes"       { capabilities = ["update"] }

# Local KEKs are derived from it: every caller of it can derive them. Plugins only.
path "transit/hmac/kubernetes/sha2-256" { capabilities = ["update"] }

# Renews the plugin's own token. Without it the plugin logs in again each time.
path "auth/token/renew-self"            { capabilities = ["update"] }

# Distinguishes a refused key from a refused token. Without it the plugin does not
# recognise that its rights to the key were taken away.
path "auth/token/lookup-self"           { capabilities = ["read"] }

# Revokes the plugin's own token when it stops or has another. Without it the token
# lives until it expires.
path "auth/token/revoke-self"           { capabilities = ["update"] }
