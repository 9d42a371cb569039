// Package archive is the format in which the facts of one node travel: what `etcdaudit
// collect` writes there, and `etcdaudit host ARCHIVE` evaluates elsewhere.
//
// An archive holds facts, and no file of the node. Facts never hold a secret (see
// etcdaudit/facts), so nothing is secret that an archive can hold. Rules are pure functions of
// facts, so they say of an archive what they say on the node.
//
// The format: a tar (POSIX.1-1988, ustar) in one gzip member, with two regular entries in
// this order: manifest.json, which names format, version, program, node and time, and gives
// size and SHA-256 of the other; and facts.json, a facts.Host. The same facts give the same
// bytes.
//
// The hashes of the manifest find damage and careless editing. They do not prove where an
// archive is from: who can change facts.json can change the manifest. For that, its own hash
// (Contents.Source) is compared with the one that was written down when it was collected.
package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Contents is what an archive says.
type Contents struct {
	Tool Tool
	// Host has Node, the node's name, and Now, the time of collection.
	Host *facts.Host
	// Source is the archive itself, by hash and size. Only Read sets it, and leaves the name
	// to its caller.
	Source record.Input
}

// Tool is the program that collected.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

const (
	format  = "sealproof etcdaudit archive"
	version = 1

	manifestName, factsName = "manifest.json", "facts.json"
)

// The most that an archive and its entries may have, in bytes. A node's facts have about
// 200 KiB, the most that the reader of a node takes some 20 MiB.
const (
	mostPacked   = 32 << 20
	mostManifest = 1 << 20
	mostFacts    = 32 << 20
	mostUnpacked = mostManifest + mostFacts + 16*512 // with headers and padding
)

// The most tokens of JSON that the facts may have (names, values, closing brackets), the most
// elements that one of their lists may have, and the most programs. A node's facts have some
// 10,000 tokens, hundreds of files and two programs. Bytes alone bound neither memory nor
// time: the five of "null," become an etcd of 800, and rules look at each file for each
// program, and at each key for each other one.
const (
	mostTokens   = 300_000
	mostElements = 10_000
	mostPrograms = 32
)

// bounded says what of a text of JSON is more than an archive may hold, before any of it takes
// memory.
func bounded(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	depth, elements := 0, 0
	for range mostTokens + 1 {
		token, err := decoder.Token()
		if err != nil {
			return nil //nolint:nilerr // its end; or what decode refuses with a text of its own
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth == 2 { // a list of the host
				elements = 0
			}
		case json.Delim('}'), json.Delim(']'):
			if depth--; depth == 2 {
				elements++
			}
		default:
			if depth == 2 {
				elements++
			}
		}
		if elements > mostElements {
			return fmt.Errorf("a list in %s has more than %d elements", factsName, mostElements)
		}
	}
	return fmt.Errorf("%s has more than %d names and values", factsName, mostTokens)
}

// crowded says that the facts have more programs than an archive may hold.
func crowded(h *facts.Host) error {
	if n := len(h.Etcds) + len(h.APIServers); n > mostPrograms {
		return fmt.Errorf("%s has %d etcds and API servers, and at most %d are evaluated", factsName, n, mostPrograms)
	}
	return nil
}

type manifest struct {
	Format    string    `json:"format"`
	Version   int       `json:"version"`
	Tool      Tool      `json:"tool"`
	Node      string    `json:"node"`
	Collected time.Time `json:"collected"`
	Entries   []entry   `json:"entries"`
}

// entry is what the manifest says of another entry.
type entry struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // in hexadecimal
}
