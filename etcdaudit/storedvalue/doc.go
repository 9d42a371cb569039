// Package storedvalue says what the bytes of one etcd value are: plaintext and
// in which encoding, or encrypted and by which provider, under which key, or
// something damaged and why. It also reads the etcd key beside the value.
//
// It is pure and does not copy: what it returns are views of its input. It
// survives any input, because damaged input is the normal case of an audit.
//
// The package must never know a key, decrypt anything, do I/O, or put a byte of
// a value's plaintext into an error or a string.
//
// The formats are those of the API server, k8s.io/apiserver v0.37.1:
// pkg/server/options/encryptionconfig/config.go (prefixes) and
// pkg/storage/value/encrypt (what follows them). The tests compare with that
// code.
package storedvalue
