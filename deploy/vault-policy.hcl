# The least that kmsplugin needs on the Transit key "kubernetes" in the mount
# "transit". Never "create": Transit would then make a missing key anew instead of
# saying that it is missing.
path "transit/keys/kubernetes"          { capabilities = ["read"] }
path "transit/encrypt/kubernetes"       { capabilities = ["update"] }
path "transit/decrypt/kubernetes"       { capabilities = ["update"] }
path "transit/hmac/kubernetes/sha2-256" { capabilities = ["update"] }
