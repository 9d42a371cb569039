package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/archive"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/internal/term"
	"github.com/sealproof/sealproof/test/testkit"
)

func contents(t testing.TB) archive.Contents {
	host := testkit.Must(hostconfig.Read(t.Context(), hostconfig.Options{Root: "../hostconfig/testdata/kubeadm", Now: time.Unix(1796000000, 5)}))(t)
	return archive.Contents{Tool: archive.Tool{Name: "etcdaudit", Version: "v1.2.3", Commit: "abc"}, Host: host}
}

func packed(t testing.TB, c archive.Contents) []byte {
	var out bytes.Buffer
	testkit.Must(archive.Write(&out, c))(t)
	return out.Bytes()
}

func TestAnArchiveGivesBackWhatWasCollected(t *testing.T) {
	before := contents(t)
	var out bytes.Buffer
	written, err := archive.Write(&out, before)
	if err != nil {
		t.Fatal(err)
	}
	after, err := archive.Read(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if written != after.Source || written.Hash != fmt.Sprintf("sha256:%x", sha256.Sum256(out.Bytes())) || written.Bytes != int64(out.Len()) {
		t.Errorf("written %v, read %v", written, after.Source)
	}
	if after.Tool != before.Tool || len(after.Host.Etcds) != len(before.Host.Etcds) || !after.Host.Now.Equal(before.Host.Now) {
		t.Errorf("%+v", after)
	}
	if diff := cmp.Diff(packed(t, before), packed(t, after)); diff != "" {
		t.Errorf("an archive of what was read is another one: %s", diff)
	}
}

func TestTheSameFactsGiveTheSameBytes(t *testing.T) {
	if c := contents(t); !bytes.Equal(packed(t, c), packed(t, c)) {
		t.Error("two archives differ")
	}
}

func TestAFullDiskIsAnError(t *testing.T) {
	if _, err := archive.Write(fullDisk{}, contents(t)); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// file is an entry of a tar.
type file struct {
	header tar.Header
	data   []byte
}

func plain(name string, data []byte) file {
	return file{tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(data))}, data}
}

func pack(t testing.TB, files ...file) []byte {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	tarred := tar.NewWriter(compressed)
	for _, f := range files {
		testkit.Check(t, tarred.WriteHeader(&f.header))
		testkit.Must(tarred.Write(f.data))(t)
	}
	testkit.Check(t, tarred.Close())
	testkit.Check(t, compressed.Close())
	return out.Bytes()
}

// parts are the two entries of a good archive.
func parts(t testing.TB) (manifest, told []byte) {
	in := tar.NewReader(testkit.Must(gzip.NewReader(bytes.NewReader(packed(t, contents(t)))))(t))
	testkit.Must(in.Next())(t)
	manifest = testkit.Must(io.ReadAll(in))(t)
	testkit.Must(in.Next())(t)
	return manifest, testkit.Must(io.ReadAll(in))(t)
}

// described is a manifest for other facts: what one who edits with care writes.
func described(manifest, before, told []byte) []byte {
	manifest = bytes.ReplaceAll(manifest, fmt.Appendf(nil, "%x", sha256.Sum256(before)), fmt.Appendf(nil, "%x", sha256.Sum256(told)))
	return bytes.ReplaceAll(manifest, fmt.Appendf(nil, `"bytes": %d`, len(before)), fmt.Appendf(nil, `"bytes": %d`, len(told)))
}

func TestWhatIsNoArchiveOrNoLongerOneIsRefusedWithTheReason(t *testing.T) {
	good := packed(t, contents(t))
	manifest, told := parts(t)
	change := func(text []byte, from, to string) []byte {
		if !bytes.Contains(text, []byte(from)) {
			t.Fatalf("there is no %q", from)
		}
		return bytes.ReplaceAll(text, []byte(from), []byte(to))
	}
	both := func(m, f []byte) []byte { return pack(t, plain("manifest.json", m), plain("facts.json", f)) }
	with := func(f file) []byte {
		return pack(t, plain("manifest.json", manifest), plain("facts.json", told), f)
	}
	damaged := bytes.Clone(good)
	damaged[len(damaged)-6] ^= 1 // the checksum of gzip
	// instead is an archive of other facts, with a manifest that fits.
	instead := func(f []byte) []byte { return both(described(manifest, told, f), f) }
	newer := change(told, `"Node": `, `"Secrets": 1, "Node": `)
	for name, tt := range map[string]struct {
		archive []byte
		says    string
	}{
		"nothing":                            {nil, "truncated"},
		"a text":                             {[]byte("apiVersion: v1\nkind: Pod\n"), "no archive of etcdaudit collect: it is not compressed"},
		"compressed text":                    {gzipped(t, []byte(strings.Repeat("log line\n", 200))), "no tar"},
		"another tar":                        {pack(t, plain("etc/hostname", []byte("cp-1"))), `no archive of etcdaudit collect: it begins with "etc/hostname"`},
		"another program's manifest":         {both([]byte(`{"format": "x", "version": 1}`), told), "of something else"},
		"a manifest that is no JSON":         {both([]byte(`x`), told), "of something else"},
		"half of it":                         {good[:len(good)/2], "truncated"},
		"all but the last byte":              {good[:len(good)-1], "truncated"},
		"a wrong checksum":                   {damaged, "damaged"},
		"something behind it":                {append(bytes.Clone(good), 0), "something follows behind its end"},
		"twice":                              {append(bytes.Clone(good), good...), "something follows behind its end"},
		"edited facts":                       {both(manifest, change(told, `"Live": false`, `"Live": true `)), "edited, or packed anew: facts.json is not what the manifest says"},
		"edited with the hash, another node": {instead(change(told, `"Node": "cp-1"`, `"Node": "cp-2"`)), "different nodes or times"},
		"edited with the hash, another time": {instead(change(told, `"Now": "2026-`, `"Now": "2025-`)), "different nodes or times"},
		"edited with the hash, longer":       {both(manifest, append(bytes.Clone(told), ' ')), "facts.json is not what the manifest says"},
		"an escape in the name of a fact":    {instead(change(told, `"Node": `, `"\u001b[2J`+strings.Repeat("x", 5000)+`": 1, "Node": `)), `unknown field "\x1b[2Jx`},
		"an escape in a certificate's file":  {instead([]byte(`{"Certificates": [{"File": "\u001b]0;x\u0007", "DER": []}]}`)), `"\x1b]0;x\a" has 0`},
		"a newer format":                     {both(change(manifest, `"version": 1,`, `"version": 2, "more": true,`), told), "made by a newer version, etcdaudit \"v1.2.3\""},
		"an unknown fact":                    {instead(newer), `this version does not read its facts.json (json: unknown field "Secrets")`},
		"a manifest with more":               {both(change(manifest, `"node":`, `"x": 1, "node":`), told), "manifest.json does not describe"},
		"an entry too many":                  {with(plain("x", nil)), `it holds "x"`},
		"the facts twice":                    {with(plain("facts.json", told)), `it holds "facts.json"`},
		"the manifest alone":                 {pack(t, plain("manifest.json", manifest)), "truncated"},
		"a path that climbs out":             {pack(t, plain("manifest.json", manifest), plain("../facts.json", told)), `"../facts.json" is where`},
		"an absolute path":                   {pack(t, plain("manifest.json", manifest), plain("/facts.json", told)), `"/facts.json" is where`},
		"a symbolic link":                    {pack(t, plain("manifest.json", manifest), file{header: tar.Header{Name: "facts.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/shadow"}}), "no plain file"},
		"a hard link":                        {pack(t, plain("manifest.json", manifest), file{header: tar.Header{Name: "facts.json", Typeflag: tar.TypeLink, Linkname: "manifest.json"}}), "no plain file"},
		"a device":                           {pack(t, plain("manifest.json", manifest), file{header: tar.Header{Name: "facts.json", Typeflag: tar.TypeBlock}}), "no plain file"},
		"a pipe in the manifest's place":     {pack(t, file{header: tar.Header{Name: "manifest.json", Typeflag: tar.TypeFifo}}), "no plain file"},
		"a directory":                        {with(file{header: tar.Header{Name: "dir/", Typeflag: tar.TypeDir}}), `it holds "dir/"`},
		"a size that is not there":           {hollow(t, manifest, 1<<40), "at most 33554432 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := archive.Read(bytes.NewReader(tt.archive))
			if err == nil || !strings.Contains(err.Error(), tt.says) || term.Printable(err.Error()) != err.Error() || len(err.Error()) > 400 || c.Host != nil {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
	if _, err := archive.Read(bytes.NewReader(both(manifest, told))); err != nil {
		t.Errorf("the helpers of this test make no good archive: %v", err)
	}
}

func gzipped(t testing.TB, data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	testkit.Must(w.Write(data))(t)
	testkit.Check(t, w.Close())
	return out.Bytes()
}

// hollow is an archive whose facts say that they have a size, and end at once.
func hollow(t testing.TB, manifest []byte, size int64) []byte {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	tarred := tar.NewWriter(compressed)
	testkit.Check(t, tarred.WriteHeader(&tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg, Size: int64(len(manifest))}))
	testkit.Must(tarred.Write(manifest))(t)
	testkit.Check(t, tarred.WriteHeader(&tar.Header{Name: "facts.json", Typeflag: tar.TypeReg, Size: size, Format: tar.FormatGNU}))
	testkit.Check(t, compressed.Close())
	return out.Bytes()
}

// Headers before an entry are read by package tar itself, without end.
func TestABombIsRefusedAfterWhatAnArchiveCanHave(t *testing.T) {
	var header bytes.Buffer
	tarred := tar.NewWriter(&header)
	testkit.Check(t, tarred.WriteHeader(&tar.Header{Name: strings.Repeat("x", 900_000), Typeflag: tar.TypeReg, Format: tar.FormatGNU}))
	long := header.Bytes()[:len(header.Bytes())-512] // the name alone, whose header belongs to the next one
	var out bytes.Buffer
	w := testkit.Must(gzip.NewWriterLevel(&out, gzip.BestSpeed))(t)
	for range 100 {
		testkit.Must(w.Write(long))(t)
	}
	testkit.Check(t, w.Close())
	if _, err := archive.Read(&out); err == nil || !strings.Contains(err.Error(), "unfolds to more than") {
		t.Error(err)
	}
}

// A few kilobytes that unfold to millions of values must not take gigabytes, and no more may be
// written than is read.
func TestMoreFactsThanANodeHasAreRefused(t *testing.T) {
	manifest, told := parts(t)
	for name, tt := range map[string]struct{ told, says string }{
		"a million objects":       {list("Etcds", "{}", 1_000_000), "has more than 10000 elements"},
		"a million times null":    {list("Etcds", "null", 1_000_000), "has more than 10000 elements"},
		"ten thousand keys":       {list("Keys", "{}", 10_001), "has more than 10000 elements"},
		"a deep nesting":          {`{"Etcds": ` + strings.Repeat("[", 1_000_000), "has more than 300000 names and values"},
		"a million keys of a map": {`{"Etcds": [{"Files": {` + strings.Repeat(`"": null, `, 1_000_000) + `"": null}}]}`, "has more than 300000 names and values"},
		"many etcds":              {list("Etcds", "{}", 33), "has 33 etcds and API servers"},
		"many API servers":        {list("APIServers", "{}", 33), "has 33 etcds and API servers"},
	} {
		t.Run(name, func(t *testing.T) {
			packed := pack(t, plain("manifest.json", described(manifest, told, []byte(tt.told))), plain("facts.json", []byte(tt.told)))
			if _, err := archive.Read(bytes.NewReader(packed)); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
	for name, host := range map[string]*facts.Host{
		"programs": {Etcds: make([]facts.Etcd, 33)}, "keys": {Keys: make([]facts.Key, 10_001)}, "values": {Setup: facts.Setup{Visit: make([]string, 300_000)}},
		"bytes": {Root: strings.Repeat("x", 33<<20)},
	} {
		if _, err := archive.Write(io.Discard, archive.Contents{Host: host}); err == nil || !strings.Contains(err.Error(), "more than an archive may hold") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func list(name, element string, n int) string {
	return `{"` + name + `": [` + strings.Repeat(element+",", n-1) + element + "]}"
}

func TestAnInputWithoutEndIsLeft(t *testing.T) {
	if _, err := archive.Read(io.MultiReader(bytes.NewReader(gzipped(t, nil)[:10]), zeros{})); err == nil {
		t.Error("accepted")
	}
	// Stored blocks of deflate: a stream that never ends and does not unfold.
	if _, err := archive.Read(io.MultiReader(bytes.NewReader(packed(t, contents(t))), zeros{})); err == nil || !strings.Contains(err.Error(), "follows behind") {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Every archive that is accepted can be written again. The input is what an attacker who packs
// an archive of their own would put in it.
func FuzzRead(f *testing.F) {
	empty := packed(f, archive.Contents{Host: &facts.Host{}})
	f.Add(empty, []byte("{}"))
	f.Add(empty[:20], []byte(`{"Node": "n", "Etcds": [{"Name": "e", "Files": {"/f": {"Certificates": ["AAAA"]}}}], "APIServers": [{"Encryption": {"Config": [{"Entry": "secrets", "Providers": [{"Kind": "identity"}]}]}}]}`))
	f.Fuzz(func(t *testing.T, raw, told []byte) {
		sum := sha256.Sum256(told)
		manifest := fmt.Sprintf(`{"format": "sealproof etcdaudit archive", "version": 1, "tool": {"name": "", "version": "", "commit": ""}, "node": "", "collected": "0001-01-01T00:00:00Z", "entries": [{"name": "facts.json", "bytes": %d, "sha256": "%x"}]}`, len(told), sum)
		for _, data := range [][]byte{raw, pack(t, plain("manifest.json", []byte(manifest)), plain("facts.json", told))} {
			c, err := archive.Read(bytes.NewReader(data))
			if err != nil {
				if term.Printable(err.Error()) != err.Error() {
					t.Errorf("%q", err)
				}
				continue
			}
			if _, err := archive.Read(bytes.NewReader(packed(t, c))); err != nil {
				t.Error(err)
			}
		}
	})
}
