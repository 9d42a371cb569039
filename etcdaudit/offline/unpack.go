package offline

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// maxWindow is what a zstd stream may ask for of memory, in bytes: 8 MiB is what the format
// recommends decoders to support at least (RFC 8878, section 3.1.1.1.2).
const maxWindow = 32 << 20

// unpack decompresses a file into one without a name in dir, which is gone when it is closed,
// even if this program is killed.
func unpack(ctx context.Context, name string, packed io.Reader, how kind, dir string) (*os.File, error) {
	if dir == "" {
		return nil, &Error{What: fmt.Sprintf("%s is compressed", name), Do: "give --work-dir, a directory for the decompressed file (it is removed again), or decompress it first"}
	}
	f, err := workFile(dir, name)
	if err != nil {
		return nil, err
	}
	if err := decompress(ctx, &room{f: f}, packed, how); err != nil {
		_ = f.Close()
		return nil, &Error{What: "decompress " + name, Err: err, Do: cmp.Or(roomFor(err), "the file is cut or damaged: fetch it again")}
	}
	return f, nil
}

// workFile makes a file without a name in a directory. It is called name in errors.
func workFile(dir, name string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &Error{What: "make a file in " + dir, Err: err, Do: "give a --work-dir that can be written, on a local file system"}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// roomFor says what to do where a directory for work is full; empty for another error.
func roomFor(err error) string {
	if errors.Is(err, errFull) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
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
		_, err = io.Copy(w, r) //nolint:gosec // room bounds it
		return errors.Join(err, r.Close())
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

// leave is how much of a file system unpack leaves free, in bytes: a few kilobytes can
// decompress to terabytes, and etcd stops where its disk is full.
const leave = 256 << 20

var errFull = fmt.Errorf("less than %d MiB would be left", leave>>20)

// room writes to a file as long as its file system has room.
type room struct {
	f       *os.File
	checked int64 // bytes that may still be written before room is looked at again
}

func (r *room) Write(p []byte) (int, error) {
	if r.checked < int64(len(p)) {
		var fs unix.Statfs_t
		if err := unix.Fstatfs(int(r.f.Fd()), &fs); err != nil {
			return 0, fmt.Errorf("look for room: %w", err)
		}
		free := int64(fs.Bavail)*fs.Bsize - leave //nolint:gosec // no file system has 2^63 blocks
		if r.checked = min(free, leave/4); r.checked < int64(len(p)) {
			return 0, errFull
		}
	}
	r.checked -= int64(len(p))
	return r.f.Write(p)
}
