package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/testkit"
)

func TestTheTerraformExampleGrantsWhatThePolicyDoes(t *testing.T) {
	resources := parse[map[string]map[string]any](t, "terraform", "deploy/terraform/main.tf")
	policy, _ := resources["vault_policy.kmsplugin"]["policy"].(string)
	if strings.Contains(policy, "${") || policy == "" {
		t.Fatalf("the policy depends on what is not a variable with a default: %s", policy)
	}
	file := filepath.Join(t.TempDir(), "policy.hcl")
	testkit.Check(t, os.WriteFile(file, []byte(policy), 0o600))
	got := parse[map[string][]string](t, "policy", file)
	want := parse[map[string][]string](t, "policy", "deploy/vault-policy.hcl")
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("grants %v, deploy/vault-policy.hcl %v", got, want)
	}
}

func TestTheTerraformExampleGuardsTheKey(t *testing.T) {
	resources := parse[map[string]map[string]any](t, "terraform", "deploy/terraform/main.tf")
	key := resources["vault_transit_secret_backend_key.kubernetes"]
	for attribute, want := range map[string]any{
		"name": keyName, "type": "aes256-gcm96", "deletion_allowed": false, "exportable": false,
		"allow_plaintext_backup": false, "lifecycle.prevent_destroy": "true", "backend": "vault_mount.transit.path",
	} {
		if key[attribute] != want {
			t.Errorf("%s is %v, want %v", attribute, key[attribute], want)
		}
	}
	if mount := resources["vault_mount.transit"]; mount["lifecycle.prevent_destroy"] != "true" {
		t.Error("the mount, and with it the key, can be destroyed")
	}
	role := resources["vault_approle_auth_backend_role.kmsplugin"]
	if role["token_policies"] != "[vault_policy.kmsplugin.name]" || role["token_no_default_policy"] != true {
		t.Errorf("the role is %v", role)
	}
	for name := range resources {
		if strings.Contains(name, "secret_id") {
			t.Errorf("%s would put a secret into Terraform's state", name)
		}
	}
}
