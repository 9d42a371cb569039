# The key, the policy and the role of one cluster's plugins. The same policy as
# ../vault-policy.hcl (a test compares them).
#
# The secret-id is left out on purpose: it would be in Terraform's state. Create one for
# each node with
#   vault write -f -field=secret_id auth/approle/role/kmsplugin/secret-id

terraform {
  required_version = ">= 1.5"
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 4.0"
    }
  }
}

variable "mount" {
  description = "Path of the Transit engine."
  type        = string
  default     = "transit"
}

variable "key" {
  description = "Name of the Transit key."
  type        = string
  default     = "kubernetes"
}

variable "node_cidrs" {
  description = "Addresses of the control-plane nodes; empty allows all."
  type        = list(string)
  default     = []
}

resource "vault_mount" "transit" {
  path        = var.mount
  type        = "transit"
  description = "Keys of Kubernetes clusters (Sealproof)"

  lifecycle {
    prevent_destroy = true # without the key all Secrets of the cluster are lost
  }
}

resource "vault_transit_secret_backend_key" "kubernetes" {
  backend                = vault_mount.transit.path
  name                   = var.key
  type                   = "aes256-gcm96"
  deletion_allowed       = false
  exportable             = false
  allow_plaintext_backup = false

  lifecycle {
    prevent_destroy = true
    # Raised by hand, once no data needs the older versions.
    ignore_changes = [min_decryption_version, min_encryption_version]
  }
}

resource "vault_policy" "kmsplugin" {
  name   = "kmsplugin"
  policy = <<-HCL
    path "${var.mount}/keys/${var.key}"          { capabilities = ["read"] }
    path "${var.mount}/encrypt/${var.key}"       { capabilities = ["update"] }
    path "${var.mount}/decrypt/${var.key}"       { capabilities = ["update"] }
    path "${var.mount}/hmac/${var.key}/sha2-256" { capabilities = ["update"] }
    path "auth/token/renew-self"                 { capabilities = ["update"] }
    path "auth/token/lookup-self"                { capabilities = ["read"] }
    path "auth/token/revoke-self"                { capabilities = ["update"] }
  HCL
}

resource "vault_auth_backend" "approle" {
  type = "approle"
}

resource "vault_approle_auth_backend_role" "kmsplugin" {
  backend               = vault_auth_backend.approle.path
  role_name             = "kmsplugin"
  token_policies        = [vault_policy.kmsplugin.name]
  # "default" grants rights that a plugin does not need.
  token_no_default_policy = true
  token_ttl             = 3600
  token_max_ttl         = 86400
  token_bound_cidrs     = var.node_cidrs
  secret_id_bound_cidrs = var.node_cidrs
}

output "role_id" {
  value = vault_approle_auth_backend_role.kmsplugin.role_id
}
