package offline

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
)

// hashing is the SHA-256 of a file that is made while the file is read for other things: of all
// that is done with a file it takes longest, and it needs the bytes in their order.
type hashing struct {
	cancel context.CancelFunc
	done   chan struct{}
	sum    hash.Hash
	err    error
}

// startHash begins with so many bytes of a file. Who begins it must stop it.
func startHash(ctx context.Context, file io.ReaderAt, size int64) *hashing {
	ctx, cancel := context.WithCancel(ctx)
	h := &hashing{cancel: cancel, done: make(chan struct{}), sum: sha256.New()}
	go func() {
		defer close(h.done)
		_, h.err = io.Copy(h.sum, cancelled{ctx, io.NewSectionReader(file, 0, size)})
	}()
	return h
}

// wait returns the hash of all that was to be read.
func (h *hashing) wait() (hash.Hash, error) {
	<-h.done
	return h.sum, h.err
}

// stop ends it, finished or not.
func (h *hashing) stop() {
	h.cancel()
	<-h.done
}
