package offline

import (
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/sealproof/sealproof/etcdaudit/workfile"
)

// maxWindow is what a zstd stream may ask for of memory, in bytes: 8 MiB is what the format
// recommends decoders to support at least (RFC 8878, section 3.1.1.1.2).
const maxWindow = 32 << 20

// unpack decompresses a file into one without a name in dir.
func unpack(ctx context.Context, name string, packed io.Reader, how kind, dir string) (*os.File, error) {
	if dir == "" {
		return nil, &Error{What: fmt.Sprintf("%s is compressed", name), Do: "give --work-dir, a directory for the decompressed file (it is removed again), or decompress it first"}
	}
	f, err := workFile(dir, name)
	if err != nil {
		return nil, err
	}
	if err := decompress(ctx, &workfile.Writer{File: f}, packed, how); err != nil {
		_ = f.Close()
		return nil, &Error{What: "decompress " + name, Err: err, Do: cmp.Or(roomFor(err), "the file is cut or damaged: fetch it again")}
	}
	return f, nil
}

// workFile makes a file in a directory for work. It is called name in errors.
func workFile(dir, name string) (*os.File, error) {
	f, err := workfile.Make(dir, name)
	if err != nil {
		return nil, &Error{What: "make a file in " + dir, Err: err, Do: workfile.Help}
	}
	return f, nil
}

// roomFor says what to do where a directory for work is full; empty for another error.
func roomFor(err error) string {
	if workfile.Full(err) {
		return "make room in --work-dir, or name another directory"
	}
	return ""
}

func decompress(ctx context.Context, w io.Writer, packed io.Reader, how kind) error {
	packed = cancelled{ctx, packed}
	if how == gzipped {
		r, err := gzip.NewReader(packed)
		if err != nil {
			return err
		}
		// Its end has a checksum, which the last read compares: closing has nothing to add.
		defer func() { _ = r.Close() }()
		_, err = io.Copy(w, r) //nolint:gosec // the Writer bounds it
		return err
	}
	r, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// cancelled is a reader that ends with its context.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
