package archive

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Write writes an archive, and returns the hash and the size of what it has written.
func Write(w io.Writer, c Contents) (record.Input, error) {
	sum, counted := sha256.New(), counter(0)
	if err := write(io.MultiWriter(w, sum, &counted), c); err != nil {
		return record.Input{}, err
	}
	return record.Input{Hash: fmt.Sprintf("sha256:%x", sum.Sum(nil)), Bytes: int64(counted)}, nil
}

func write(w io.Writer, c Contents) error {
	told, err := json.MarshalIndent(c.Host, "", " ")
	if err != nil {
		return fmt.Errorf("encode the facts: %w", err)
	}
	if len(told) > mostFacts {
		return fmt.Errorf("this node's facts have %d bytes, more than an archive may hold (%d)", len(told), mostFacts)
	}
	// What Read would refuse is not written: it would be found out where the node is far away.
	if err := cmp.Or(bounded(told), crowded(c.Host)); err != nil {
		return fmt.Errorf("this node has more than an archive may hold: %w", err)
	}
	m, err := json.MarshalIndent(manifest{
		Format: format, Version: version, Tool: c.Tool, Node: c.Host.Node, Collected: c.Host.Now,
		Entries: []entry{{Name: factsName, Bytes: int64(len(told)), SHA256: fmt.Sprintf("%x", sha256.Sum256(told))}},
	}, "", " ")
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	packed := gzip.NewWriter(w)
	out := tar.NewWriter(packed)
	for _, e := range []struct {
		name string
		data []byte
	}{{manifestName, m}, {factsName, told}} {
		h := &tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.data)), ModTime: c.Host.Now.Truncate(time.Second), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("write %s: %w", e.name, err)
		}
		if _, err := out.Write(e.data); err != nil {
			return fmt.Errorf("write %s: %w", e.name, err)
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return packed.Close()
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
