package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// keyIDHashSize is what is kept of the hash, in bytes: the id is stored with
// every object, and 128 bits leave no room for collisions among key versions.
const keyIDHashSize = 16

// KeyID names one version of one key: "v3." and 32 hexadecimal digits. It is
// computed from what Vault reports alone, so that every replica, also one
// rebuilt from nothing but its configuration, computes the same. The creation
// time, in whole seconds, tells a key from one of the same name that was deleted
// and created again; only a re-creation within the same second goes unseen.
func KeyID(mount, name string, version int, created time.Time) string {
	sum := sha256.Sum256(canonical("sealproof/1/key_id",
		mount, name, strconv.Itoa(version), strconv.FormatInt(created.Unix(), 10)))
	return fmt.Sprintf("v%d.%s", version, hex.EncodeToString(sum[:keyIDHashSize]))
}

// vaultPrefix begins every Transit ciphertext: "vault:v3:".
const vaultPrefix = "vault:v"

// VaultVersion returns the key version that a Transit ciphertext names, and
// false if it is none.
func VaultVersion(ciphertext []byte) (int, bool) {
	rest, ok := strings.CutPrefix(string(ciphertext[:min(len(ciphertext), len(vaultPrefix)+11)]), vaultPrefix)
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(rest, ":")
	if !ok || digits == "" || digits[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0, false
	}
	return int(n), true
}

// Unopenable returns random bytes in the form of a Transit ciphertext of a
// version. No key opens them; that Vault tries tells that the version decrypts.
func Unopenable(version int) []byte {
	body := make([]byte, overhead+KEKSize)
	rand.Read(body) // never fails: crypto/rand ends the process instead
	return []byte(vaultPrefix + strconv.Itoa(version) + ":" + base64.StdEncoding.EncodeToString(body))
}
