package envelope

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/sealproof/sealproof/internal/transit"
)

// keyIDHashSize is what is kept of the hash, in bytes: the id is stored with
// every object, and 128 bits leave no room for collisions among key versions.
const keyIDHashSize = 16

// KeyID names one version of one key: "v3." and 32 hexadecimal digits. It is
// computed only from what Vault reports, so that every replica computes the same
// one, also a replica that was rebuilt from its configuration. The creation
// time, in whole seconds, tells a key from one of the same name that was deleted
// and created again; only a re-creation within the same second goes unseen.
func KeyID(mount, name string, version int, created time.Time) string {
	sum := sha256.Sum256(canonical("sealproof/1/key_id",
		mount, name, strconv.Itoa(version), strconv.FormatInt(created.Unix(), 10)))
	return fmt.Sprintf("v%d.%s", version, hex.EncodeToString(sum[:keyIDHashSize]))
}

// DecoyCanary returns random bytes in the form of a Transit ciphertext of a
// version. No key decrypts them. That Vault tries shows that the version decrypts.
func DecoyCanary(version int) []byte {
	body := make([]byte, overhead+KEKSize)
	rand.Read(body) // never fails: crypto/rand ends the process instead
	return transit.Join(version, base64.StdEncoding.EncodeToString(body))
}
