// Package verify has etcdaudit/verify open what real kube-apiservers have written,
// with a real plugin and a real Vault.
package verify
