package storedvalue_test

import (
	"crypto/cipher"
	"unsafe"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

type cipherBlock = cipher.Block

// within reports whether view lies inside whole, capacity included: a view
// that can grow over its neighbour is no view.
func within(whole, view []byte) bool {
	if len(view) == 0 {
		return true
	}
	start, end := uintptr(unsafe.Pointer(unsafe.SliceData(whole))), uintptr(len(whole))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(view))) - start
	return at <= end && at+uintptr(len(view)) <= end
}

func views(v storedvalue.Value) map[string][]byte {
	m := map[string][]byte{"name": v.Name, "key id": v.KeyID, "DEK source": v.DEKSource, "ciphertext": v.Ciphertext}
	for k, val := range v.Annotations() {
		m["annotation key "+string(k)] = k
		m["annotation "+string(k)] = val
	}
	return m
}
