// Package encryptionconfig reads an API server's EncryptionConfiguration and says
// which providers the API server would write and read a resource with.
//
// The meaning is that of the API server, k8s.io/apiserver v0.37.1:
// pkg/server/options/encryptionconfig/config.go and
// pkg/apis/apiserver/validation/validation_encryption.go. The first provider
// writes, all of them read; a resource's own entry beats "*.group", which beats
// "*.*"; an entry that an earlier wildcard hides is an error.
//
// The package must never show key material, nor keep it. The file holds keys: each
// is given once to the function that the caller passed for it, and overwritten.
package encryptionconfig
