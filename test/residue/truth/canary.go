package truth

import (
	"crypto/rand"
	"encoding/base64"
)

// canarySize is the length of a canary in bytes, and markerSize that of its beginning, which
// all canaries of a ledger share so that one search finds them all.
const (
	canarySize = 24
	markerSize = 12
)

func randomText(size int) []byte { return []byte(rand.Text())[:size] }

// forms are the bytes that a secret can be found by: itself, and what base64 makes of it at
// each of the three alignments, without the characters at the ends, which depend on its
// neighbours.
func forms(secret []byte) [4][]byte {
	all := [4][]byte{secret}
	for alignment := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, alignment), secret...))
		all[1+alignment] = []byte(text[(alignment*8+5)/6 : (alignment+len(secret))*8/6])
	}
	return all
}
