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
	mostPacked   = 64 << 20
	mostManifest = 1 << 20
	mostFacts    = 64 << 20
	mostUnpacked = mostManifest + mostFacts + 16*512 // with headers and padding
)

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
