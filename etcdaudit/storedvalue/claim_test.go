package storedvalue_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// random is what ciphertext looks like.
func random(r *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// claims are values that begin as encrypted ones do, and go on with body; where the form of one
// has nonces, lead stands in their place.
func claims(lead, body []byte) map[string][]byte {
	data := string(lead) + string(body)
	blocks := data + strings.Repeat("\n", (16-len(data)%16)%16)
	all := map[string][]byte{
		"aescbc":                   []byte("k8s:enc:aescbc:v1:key1:" + blocks),
		"aescbc, no whole blocks":  []byte("k8s:enc:aescbc:v1:key1:" + blocks + "\n"),
		"aesgcm":                   []byte("k8s:enc:aesgcm:v1:key1:" + data),
		"secretbox":                []byte("k8s:enc:secretbox:v1:key1:" + data),
		"kms v1":                   []byte("k8s:enc:kms:v1:p:\x00\x04abcd" + data),
		"kms v2":                   []byte(object{}.bytes(1, data).bytes(2, "k").bytes(3, "s").varint(5, 1).value()),
		"kms v2 without key id":    []byte(object{}.bytes(1, data).bytes(3, "s").varint(5, 1).value()),
		"a provider of the future": []byte("k8s:enc:rot13:v1:k:" + data),
		"no provider":              []byte("k8s:enc:" + data),
	}
	// The object's own colons seem to end a name.
	for _, provider := range []string{"aescbc", "aesgcm", "secretbox"} {
		all[provider+" without a name"] = []byte("k8s:enc:" + provider + ":v1:" + blocks)
		all[provider+" without a name, in other blocks"] = []byte("k8s:enc:" + provider + ":v1:" + blocks + "\n\n\n")
	}
	if len(lead) == 0 {
		all["kms v1 without its form"] = []byte("k8s:enc:kms:v1:p:" + data)
		all["kms v2 without its form"] = []byte("k8s:enc:kms:v2:p:" + data)
	}
	return all
}

func TestAnObjectBehindAClaimIsPlaintext(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	small := secret()
	written := secret()
	written.UID, written.CreationTimestamp = "4f0c5a8e-31a5-4b8f-a1f4-0e3c6f3c5d2b", metav1.NewTime(time.Unix(1_800_000_000, 0))
	written.Data = map[string][]byte{"password": random(r, 3000)}
	large := written.DeepCopy()
	large.Data = map[string][]byte{"password": random(r, 300<<10)}
	for name, s := range map[string]*corev1.Secret{"small": small, "written by an API server": written, "large": large} {
		for _, mediaType := range mediaTypes {
			b := stored(t, mediaType, s)
			format := storedvalue.PlaintextFormat(b)
			for _, lead := range [][]byte{nil, []byte("\n"), random(r, 12), random(r, 16), random(r, 60)} {
				for claim, value := range claims(lead, append(bytes.Clone(b), random(r, 16)...)) {
					if v := storedvalue.Parse(value); v.Format != format || v.Problem != storedvalue.ObjectReadable || v.Encrypted() {
						t.Errorf("%s as %s behind %d bytes of %s: %v, %v", name, mediaType, len(lead), claim, v.Format, v.Problem)
					}
				}
			}
			// Far from the beginning what an API server has written is found.
			if value := claims(random(r, 5000), b)["secretbox"]; name != "small" && storedvalue.Parse(value).Format != format {
				t.Errorf("%s as %s far behind: %v", name, mediaType, storedvalue.Parse(value).Format)
			}
		}
	}
	for name, text := range map[string]string{
		"made by hand":  "kind: Secret\nmetadata:\n  name: db\napiVersion: v1\ndata:\n  a: Yg==\n",
		"with line end": "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Secret\",\n  \"data\": {\"a\": \"Yg==\"}\n}\n",
	} {
		for claim, value := range claims(nil, []byte(text)) {
			if v := storedvalue.Parse(value); !v.Format.Plaintext() {
				t.Errorf("%s behind %s: %v, %v", name, claim, v.Format, v.Problem)
			}
		}
	}
}

// What providers write is as random. Texts that a plugin has beside it, and names of keys that are
// cut at a colon, make no plaintext of it.
func TestCiphertextHoldsNoObject(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := []byte(`{"apiVersion":"v1","kind":"EncryptedKey","metadata":{"name":"not the object"},"data":{"a":"b"}}`)
	for i := range 5_000 {
		data := random(r, 64+16*(i%200))
		for claim, value := range map[string][]byte{
			"aescbc":                     append([]byte("k8s:enc:aescbc:v1:aescbckey-2026-11-28T10:20:30Z-and-more-of-its-name:"), data...),
			"secretbox":                  append([]byte("k8s:enc:secretbox:v1:k:with:colons:in:its:long:name:"), data...),
			"kms v1 with a text for DEK": append(append([]byte("k8s:enc:kms:v1:p:\x00"), append([]byte{byte(len(text))}, text...)...), data...),
			"kms v2 with a text for DEK": []byte(object{}.bytes(1, string(data)).bytes(2, "k").bytes(3, string(text)).annotation("a.b", string(text)).varint(5, 1).value()),
		} {
			if v := storedvalue.Parse(value); !v.Encrypted() {
				t.Fatalf("%s of %d bytes: %v, %v", claim, len(data), v.Format, v.Problem)
			}
		}
	}
}

// Bytes made to look like the beginnings of objects must not take long.
func TestClaimsMadeToTakeLongEnd(t *testing.T) {
	for _, begin := range []string{"{", `{"`, "{ ", "apiVersion:", "kind:", "apiVersion: ", "k8s\x00", "\xd9\xd9\xf7"} {
		value := []byte("k8s:enc:aesgcm:v1:k:" + strings.Repeat(begin, (1<<20)/len(begin)))
		if v := storedvalue.Parse(value); v.Format != storedvalue.AESGCM {
			t.Errorf("%q again and again: %v", begin, v.Format)
		}
	}
}
