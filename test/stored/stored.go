// Package stored makes what etcd holds, and the EncryptionConfigurations that it is
// compared with, for tests. Nothing that it makes was encrypted.
package stored

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// Canary is in every plaintext value, and must be in no report.
const Canary = "hunter2-hunter2"

// Values.
const (
	Plaintext = "k8s\x00" + Canary
	Malformed = "k8s:enc:kms:v2:p:broken"
	Unknown   = "k8s:enc:rot13:v1:" + Canary
)

// KMSv2 is a value of a KMS v2 provider whose DEK source shows a version of a Vault
// key. annotations are names and values in turn.
func KMSv2(provider, keyID string, version int, annotations ...string) string {
	return KMSv2Source(provider, keyID, fmt.Sprintf("vault:v%d:abc", version), annotations...)
}

// KMSv2Source is KMSv2 with any DEK source.
func KMSv2Source(provider, keyID, source string, annotations ...string) string {
	var b []byte
	field := func(number protowire.Number, content string) {
		b = protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), content)
	}
	field(1, strings.Repeat("c", 60))
	field(2, keyID)
	field(3, source)
	for pair := range slices.Chunk(annotations, 2) {
		entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), pair[0])
		field(4, string(protowire.AppendString(protowire.AppendTag(entry, 2, protowire.BytesType), pair[1])))
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), 1)
	return "k8s:enc:kms:v2:" + provider + ":" + string(b)
}

// KMSv1 is a value of a KMS v1 provider.
func KMSv1(provider string) string {
	return "k8s:enc:kms:v1:" + provider + ":\x00\x04abcd" + strings.Repeat("x", 28)
}

// Keyed is a value under a key of the kind aescbc, aesgcm or secretbox, which ends
// with end.
func Keyed(kind, key, end string) string {
	return "k8s:enc:" + kind + ":v1:" + key + ":" + strings.Repeat("x", 48-len(end)) + end
}

// Claimed is a Secret in plaintext that begins as a value of the kind aesgcm does.
func Claimed() string {
	return "k8s:enc:aesgcm:v1:key1:" + `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","namespace":"default"},"data":{"a":"` + base64.StdEncoding.EncodeToString([]byte(Canary)) + `"}}`
}

// Record is a live value under /registry/.
func Record(key, value string, revision int64) record.Record {
	return record.Record{Key: []byte("/registry/" + key), Value: []byte(value), ModRevision: revision, Origin: record.Origin{Layer: record.Live}}
}

// Values are values by what follows /registry/ in their keys.
type Values map[string]string

// Records are values under /registry/ in the order of their keys, at revision 1.
func Records(values Values) (all []record.Record) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		all = append(all, Record(key, values[key], 1))
	}
	return all
}

// Load reads a file with a key, a revision and a quoted value in each line, with tabs
// between.
func Load(t testing.TB, file string) (all []record.Record) {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // the test's own file
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		field := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(field) != 3 {
			t.Fatalf("%s: %q", file, line)
		}
		revision, revisionErr := strconv.ParseInt(field[1], 10, 64)
		value, valueErr := strconv.Unquote(field[2])
		if revisionErr != nil || valueErr != nil {
			t.Fatalf("%s: %v, %v", file, revisionErr, valueErr)
		}
		all = append(all, record.Record{Key: []byte(field[0]), Value: []byte(value), ModRevision: revision, Origin: record.Origin{Layer: record.Live}})
	}
	if len(all) == 0 {
		t.Fatalf("%s is empty", file)
	}
	return all
}

// Parts of an EncryptionConfiguration.
const (
	Head     = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
	Identity = "identity: {}"
	// KeyBytes are the bytes of every key in it, and must be shown nowhere.
	KeyBytes = "CANARYCANARYCANARYCANARYCANARY32"
)

// Key is KeyBytes as such a file has it.
func Key() string { return base64.StdEncoding.EncodeToString([]byte(KeyBytes)) }

// Entry is an entry for resources, with commas between.
func Entry(resources string, providers ...string) string {
	s := "- resources: [" + resources + "]\n  providers:\n"
	for _, p := range providers {
		s += "  - " + p + "\n"
	}
	return s
}

// Keys is a provider of the kind aescbc, aesgcm or secretbox with a key of each name.
func Keys(kind string, names ...string) string {
	var keys []string
	for _, n := range names {
		keys = append(keys, `{name: "`+n+`", secret: "`+Key()+`"}`)
	}
	return kind + ": {keys: [" + strings.Join(keys, ", ") + "]}"
}

// KMS is a KMS provider.
func KMS(version, name string) string {
	return "kms: {apiVersion: " + version + `, name: "` + name + `", endpoint: "unix:///run/kms.sock", timeout: 3s}`
}

// Config parses an EncryptionConfiguration of these entries, without its keys; nil
// without any.
func Config(t testing.TB, entries ...string) *encryptionconfig.Config {
	t.Helper()
	if len(entries) == 0 {
		return nil
	}
	text := Head + strings.Join(entries, "")
	c, err := encryptionconfig.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// Source yields records of one live scope.
type Source struct {
	Scope record.Scope
	All   []record.Record
}

// Scopes returns the one scope, which counts all records unless it says otherwise.
func (s Source) Scopes() []record.Scope {
	s.Scope.Keys = cmp.Or(s.Scope.Keys, int64(len(s.All)))
	return []record.Scope{s.Scope}
}

// Read gives the records one at a time, in a slice and bytes that it uses again, as a
// Source may.
func (s Source) Read(_ context.Context, add func([]record.Record) error) error {
	window := make([]record.Record, 1)
	for _, rec := range s.All {
		window[0] = rec
		window[0].Key, window[0].Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
		if err := add(window); err != nil {
			return err
		}
		clear(window[0].Key)
		clear(window[0].Value)
	}
	return nil
}
