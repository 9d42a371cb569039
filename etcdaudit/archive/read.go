package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/term"
)

// Read reads an archive. It takes what Write has written and nothing else, and at most 32 MiB
// of it, packed or unpacked. It returns one error that says what is wrong.
func Read(r io.Reader) (Contents, error) {
	sum, counted := sha256.New(), counter(0)
	limited := &io.LimitedReader{R: r, N: mostPacked + 1}
	// gzip reads no byte too many from a reader of bytes: what is left is behind the archive.
	packed := bufio.NewReader(io.TeeReader(limited, io.MultiWriter(sum, &counted)))
	c, err := read(packed)
	if limited.N <= 0 {
		return Contents{}, fmt.Errorf("it has more than %d bytes: no archive of etcdaudit has", mostPacked)
	}
	if err != nil {
		return Contents{}, plain(err)
	}
	if _, err := packed.ReadByte(); !errors.Is(err, io.EOF) {
		return Contents{}, edited("something follows behind its end")
	}
	c.Source = record.Input{Hash: fmt.Sprintf("sha256:%x", sum.Sum(nil)), Bytes: int64(counted)}
	return c, nil
}

// plain says what a library's error means.
func plain(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("it is truncated: copy it again, and compare its SHA-256 with the one that collect printed")
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return errors.New("it is damaged (its checksum is wrong): copy it again, and compare its SHA-256 with the one that collect printed")
	case errors.Is(err, gzip.ErrHeader):
		return foreign("it is not compressed by gzip")
	case errors.Is(err, tar.ErrHeader):
		return foreign("what is compressed is no tar")
	}
	return err
}

func foreign(why string) error { return fmt.Errorf("it is no archive of etcdaudit collect: %s", why) }

func edited(format string, args ...any) error {
	return fmt.Errorf("it was edited, or packed anew: "+format+"; use the file as collect wrote it", args...)
}

func read(packed *bufio.Reader) (c Contents, err error) {
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return c, err
	}
	unpacked.Multistream(false)
	// A tar may have any number of headers before an entry.
	limited := &io.LimitedReader{R: unpacked, N: mostUnpacked + 1}
	defer func() {
		if limited.N <= 0 {
			err = edited("it unfolds to more than %d bytes", mostUnpacked)
		}
	}()
	in := tar.NewReader(limited)
	text, err := next(in, manifestName, mostManifest)
	if err != nil {
		return c, err
	}
	m, err := readManifest(text)
	if err != nil {
		return c, err
	}
	about := m.Entries[0]
	told, err := next(in, factsName, mostFacts)
	if err != nil {
		return c, err
	}
	if fmt.Sprintf("%x", sha256.Sum256(told)) != about.SHA256 {
		return c, edited("%s is not what the manifest says", factsName)
	}
	if h, err := in.Next(); err == nil {
		return c, edited("it holds %q, which no archive does", short(h.Name))
	} else if !errors.Is(err, io.EOF) {
		return c, err
	}
	// The end of the tar was read: the rest has to be none, with the right checksum of gzip.
	if n, err := io.Copy(io.Discard, io.LimitReader(limited, 1)); err != nil {
		return c, err
	} else if n > 0 {
		return c, edited("something follows behind its entries")
	}
	if err := bounded(told); err != nil {
		return c, edited("%w", err)
	}
	host := &facts.Host{}
	if err := decode(told, host); err != nil {
		return c, fmt.Errorf("it was made by etcdaudit %.40q, and this version does not read its %s (%s): use that one to evaluate it", m.Tool.Version, factsName, quotable(err))
	}
	if err := crowded(host); err != nil {
		return c, edited("%w", err)
	}
	if host.Node != m.Node || !host.Now.Equal(m.Collected) {
		return c, edited("manifest and facts are of different nodes or times")
	}
	return Contents{Tool: m.Tool, Host: host}, nil
}

// next reads the next entry, which has to have this name.
func next(in *tar.Reader, name string, most int64) ([]byte, error) {
	h, err := in.Next()
	switch {
	case err != nil:
		return nil, err
	case h.Typeflag != tar.TypeReg || len(h.PAXRecords) > 0:
		return nil, edited("%q is no plain file in it", short(h.Name))
	case h.Name != name && name == manifestName:
		return nil, foreign(fmt.Sprintf("it begins with %q, not with %s", short(h.Name), name))
	case h.Name != name:
		return nil, edited("%q is where %s should be", short(h.Name), name)
	case h.Size > most:
		return nil, edited("%s has %d bytes, and at most %d are read", name, h.Size, most)
	}
	return io.ReadAll(in)
}

// short bounds a name that an error quotes.
func short(name string) string { return name[:min(len(name), 60)] }

// quotable is the text of an error that quotes what it has read: safe for a terminal, and short.
func quotable(err error) string {
	text := term.Printable(err.Error())
	return strings.ToValidUTF8(text[:min(len(text), 200)], "")
}

func readManifest(text []byte) (m manifest, err error) {
	// A later version may have other fields: it is told by these two alone.
	var which struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Tool    Tool   `json:"tool"`
	}
	if err := json.Unmarshal(text, &which); err != nil || which.Format != format {
		return m, foreign(manifestName + " in it is of something else")
	}
	if which.Version > version {
		return m, fmt.Errorf("it was made by a newer version, etcdaudit %.40q: use that one to evaluate it", which.Tool.Version)
	}
	if err := decode(text, &m); err != nil || m.Version != version || len(m.Entries) != 1 || m.Entries[0].Name != factsName {
		return m, edited("%s does not describe an archive", manifestName)
	}
	return m, nil
}

func decode(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows behind the JSON")
	}
	return nil
}
