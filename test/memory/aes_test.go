package memory

import (
	"bytes"
	"encoding/hex"
	"math/bits"
	"testing"
)

// thirdRoundKey is the first part of the key schedule of AES-256 (FIPS 197,
// section 5.2) that is not the key itself: words 8 to 11.
func thirdRoundKey(key []byte) []byte {
	last := key[28:32]
	word := []byte{sbox(last[1]) ^ 1, sbox(last[2]), sbox(last[3]), sbox(last[0])}
	var round []byte
	for i := range 4 {
		next := make([]byte, 4)
		for j := range next {
			next[j] = word[j] ^ key[4*i+j]
		}
		round, word = append(round, next...), next
	}
	return round
}

// sbox is SubBytes of one byte (FIPS 197, section 5.1.1): the inverse in GF(2^8),
// and an affine map.
func sbox(b byte) byte {
	inverse := byte(0)
	for c := 1; c < 256; c++ {
		if multiply(b, byte(c)) == 1 {
			inverse = byte(c)
		}
	}
	r := inverse
	for shift := 1; shift <= 4; shift++ {
		r ^= bits.RotateLeft8(inverse, shift)
	}
	return r ^ 0x63
}

func multiply(a, b byte) (product byte) {
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			product ^= a
		}
		carry := a & 0x80
		a <<= 1
		if carry != 0 {
			a ^= 0x1b
		}
	}
	return product
}

// swapWords reverses the bytes of each word.
func swapWords(data []byte) []byte {
	var out []byte
	for i := 0; i < len(data); i += 4 {
		out = append(out, data[i+3], data[i+2], data[i+1], data[i])
	}
	return out
}

func TestTheKeyScheduleIsThatOfTheStandard(t *testing.T) {
	// FIPS 197, appendix A.3.
	key, _ := hex.DecodeString("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	want, _ := hex.DecodeString("9ba354118e6925afa51a8b5f2067fcde")
	if got := thirdRoundKey(key); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}
