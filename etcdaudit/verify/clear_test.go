package verify

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"google.golang.org/protobuf/proto"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
)

type fixed []byte

func (f fixed) Unwrap(context.Context, Source) ([]byte, error) { return f, nil }

// What was opened, revealed or unwrapped is overwritten, whether it was authentic
// or not.
func TestPlaintextsAndKeysAreOverwritten(t *testing.T) {
	const etcdKey, moved = "/registry/secrets/default/canary", "/registry/secrets/default/other"
	plaintext := []byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"canary","namespace":"default"},"data":"correct horse"}`)
	secret := bytes.Repeat([]byte{'Q'}, 32)
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	object, err := proto.Marshal(&kmstypes.EncryptedObject{
		KeyID: "k", EncryptedDEKSource: []byte("source"), EncryptedData: aead.Seal(make([]byte, 12), make([]byte, 12), plaintext, []byte(etcdKey)),
	})
	if err != nil {
		t.Fatal(err)
	}
	stored := append([]byte("k8s:enc:kms:v2:p:"), object...)
	for what, tc := range map[string]struct {
		etcdKey string
		change  byte
		want    Outcome
	}{"opened": {etcdKey, 0, Opened}, "moved": {moved, 0, Moved}, "damaged": {etcdKey, 1, Damaged}} {
		sources := NewSources(fixed(bytes.Clone(secret)))
		o := New(Config{Sources: sources})
		value := bytes.Clone(stored)
		at := bytes.Index(value, object[bytes.Index(object, make([]byte, 12))+12:]) // the ciphertext
		value[at+len(plaintext)-1] ^= tc.change
		if r := o.Open(t.Context(), []byte(tc.etcdKey), value); r.Outcome != tc.want {
			t.Fatalf("%s: %+v", what, r)
		}
		held := 0
		for _, b := range [][]byte{o.plaintext, o.second} {
			held += cap(b)
			if b = b[:cap(b)]; len(bytes.Trim(b, "\x00")) != 0 {
				t.Errorf("%s: left there: %q", what, b)
			}
		}
		if held < len(plaintext) {
			t.Errorf("%s: the buffers have %d bytes: the test looks in the wrong place", what, held)
		}
		kept := o.last.entry.secret
		if !bytes.Equal(kept, secret) {
			t.Fatal("the test looks for the secret in the wrong place")
		}
		o.Clear()
		sources.Clear()
		if len(bytes.Trim(kept, "\x00")) != 0 {
			t.Errorf("%s: the data key is left there", what)
		}
	}
}
