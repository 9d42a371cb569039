// Package verify opens stored values and says of each that it can be decrypted, or
// why not, and whether it holds the object that its etcd key names.
//
// It has no file, socket or key store: an Unwrapper asks for what only a KMS plugin
// or a key store can open. A plaintext is in one buffer of its Opener, is
// overwritten before Open returns, and no byte of it is in a Result but the kind
// and name of an object that stands in another's place.
//
// What is opened is what an API server opens (k8s.io/apiserver v0.37.1,
// pkg/storage/value/encrypt); its code is the oracle of the tests.
package verify
