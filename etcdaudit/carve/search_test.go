package carve_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const dbKey = "/registry/secrets/default/db"

func TestASecretIsFoundInEveryFormAndFrame(t *testing.T) {
	for _, format := range formats {
		for _, size := range []int{0, 100, 4200, 300 << 10} {
			value := encode(t, format, secret("default", "db", size))
			want := found{
				Resource: "secrets", Key: dbKey, Namespace: "default", Name: "db",
				Format: format, Length: int64(len(value)),
			}
			inDatabase, alone := want, want
			inDatabase.Create, inDatabase.Mod, inDatabase.Version = 5, 300, 7
			alone.Key = ""
			for _, tt := range []struct {
				name string
				data []byte
				want found
			}{
				{"in a database", keyValue(t, dbKey, value, 5, 300, 7), inDatabase},
				{"in a write-ahead log", written(t, dbKey, value), want},
				{"without its key", value, alone},
			} {
				t.Run(fmt.Sprintf("%v of %d bytes %s", format, len(value), tt.name), func(t *testing.T) {
					for _, around := range []string{"", "\x00\x00\x00\x00", "\xff\x07\xc3x", "some text\n"} {
						data := []byte(around + string(tt.data) + strings.Repeat("\x00", 3) + around)
						tt.want.Offset = int64(bytes.Index(data, value))
						if diff := cmp.Diff([]found{tt.want}, searchAll(t, data)); diff != "" {
							t.Errorf("after %q: %s", around, diff)
						}
					}
				})
			}
		}
	}
}

// A Secret under its own key that only begins as an encrypted one does is no part of another object.
func TestASecretThatClaimsToBeEncryptedIsFound(t *testing.T) {
	for _, format := range formats {
		object := encode(t, format, secret("default", "db", 100))
		value := append([]byte("k8s:enc:aesgcm:v1:key1:"), object...)
		data := keyValue(t, dbKey, value, 5, 300, 7)
		want := found{Resource: "secrets", Key: dbKey, Namespace: "default", Name: "db", Format: format, Length: int64(len(object)), Offset: int64(bytes.Index(data, object))}
		if diff := cmp.Diff([]found{want}, searchAll(t, data)); diff != "" {
			t.Errorf("%v: %s", format, diff)
		}
		// Under a key of another kind it is a part of what has that key.
		if hits := searchAll(t, keyValue(t, mapKey, value, 5, 300, 7)); len(hits) != 1 || !hits[0].Embedded {
			t.Errorf("%v under another key: %+v", format, hits)
		}
	}
}
