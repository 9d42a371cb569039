package components

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"strings"
)

// key returns the name of the cache entry for a program built from the files
// of one module: a hash over everything that decides what the compiler makes.
// The versions and hashes of all dependencies are in go.mod and go.sum.
//
// toolchain is the compiler's version and target, recipe the build's flags and
// environment.
func key(name Name, module fs.FS, toolchain, recipe []string) (string, error) {
	h := sha256.New()
	writeList(h, toolchain)
	writeList(h, recipe)
	err := fs.WalkDir(module, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !input(path) {
			return err
		}
		data, err := fs.ReadFile(module, path)
		if err != nil {
			return err
		}
		writeList(h, []string{path, string(data)})
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the sources of %s: %w", name, err)
	}
	return string(name) + "@" + hex.EncodeToString(h.Sum(nil))[:20], nil
}

// input says whether a file of a module can change its binary. Anything may be
// embedded, so only tests and texts are left out.
func input(path string) bool {
	return !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".md")
}

// writeList hashes strings with their number and lengths, so that two
// different lists never look alike.
func writeList(h hash.Hash, list []string) {
	var n [8]byte
	put := func(length int) {
		binary.BigEndian.PutUint64(n[:], uint64(length)) //nolint:gosec // a length is never negative
		h.Write(n[:])
	}
	put(len(list))
	for _, s := range list {
		put(len(s))
		h.Write([]byte(s))
	}
}
