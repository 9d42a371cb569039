package live

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/term"
)

// held is what a member holds under a key. The HMAC's key is of one comparison, and never shown.
type held struct {
	revision int64
	value    [sha256.Size]byte
}

type heldKey struct {
	key []byte
	held
}

// lane is one member that is read, in the order of its keys.
type lane struct {
	index int // of the member in the comparison
	pages chan []heldKey
	now   []heldKey // the rest of the page that is looked at
	ended bool      // pages is closed, and err says whether that was the end of the keys
	err   error
}

// next makes the first of now the next key. It reports whether there is one.
func (l *lane) next() bool {
	for len(l.now) == 0 {
		page, ok := <-l.pages
		if !ok {
			l.ended = true
			return false
		}
		l.now = page
	}
	return true
}

// take returns what the member holds under a key: nothing, if its next key is another one.
func (l *lane) take(key []byte) (h held) {
	if len(l.now) > 0 && bytes.Equal(l.now[0].key, key) {
		h, l.now = l.now[0].held, l.now[1:]
	}
	return h
}

// compareByReading reads the members side by side, each at its own address, and holds a page of
// each. A member that cannot be read any more is left out from there on: what differed before
// differs.
func (snap *Snapshot) compareByReading(ctx context.Context, c *record.Comparison) {
	ctx, cancel := context.WithCancel(ctx)
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // it does not fail
	var lanes []*lane
	var readers sync.WaitGroup
	for i, m := range c.Members {
		if m.NotCompared != "" {
			continue
		}
		l := &lane{index: i, pages: make(chan []heldKey)}
		lanes = append(lanes, l)
		readers.Go(func() {
			defer close(l.pages)
			l.err = snap.readMember(ctx, m, c.Revision, secret, l.pages)
		})
	}
	c.ByReading = true
	for {
		var first []byte
		for _, l := range lanes {
			if l.next() && (first == nil || bytes.Compare(l.now[0].key, first) < 0) {
				first = l.now[0].key
			}
		}
		if first == nil {
			break
		}
		different := map[held]bool{}
		for _, l := range lanes {
			if h := l.take(first); h != (held{}) || !l.ended || l.err == nil {
				different[h] = true
			}
		}
		if len(different) > 1 {
			c.Differ = true
			if c.Differing++; len(c.Keys) < record.MaxDiffering {
				c.Keys = append(c.Keys, term.Printable(string(first)))
			}
		}
	}
	cancel()
	readers.Wait()
	for _, l := range lanes {
		if l.err != nil {
			c.Members[l.index].NotCompared = notCompared(l.err)
		}
	}
}

// readMember gives what one member holds, a page at a time.
func (snap *Snapshot) readMember(ctx context.Context, m record.Compared, revision int64, secret []byte, pages chan<- []heldKey) (err error) {
	config := snap.store.config
	config.Endpoints = []string{m.Endpoint}
	s, err := Connect(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	at := *snap
	at.store, at.Revision = s, revision
	if at.member, err = strconv.ParseUint(m.ID, 16, 64); err != nil {
		return fmt.Errorf("the id of a member: %w", err)
	}
	// Without a key there may be no answer that says whose it is.
	now, err := s.get(ctx, at.reading(), at.Prefix, clientv3.WithCountOnly(), clientv3.WithSerializable())
	if err == nil {
		err = at.answered(at.reading(), now.Header.ClusterId, now.Header.MemberId)
	}
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, secret)
	return at.read(ctx, at.newReading(func(records []record.Record) error {
		page := make([]heldKey, len(records))
		for i, rec := range records {
			mac.Reset()
			_, _ = mac.Write(rec.Value) // it does not fail
			page[i] = heldKey{bytes.Clone(rec.Key), held{revision: rec.ModRevision}}
			mac.Sum(page[i].value[:0])
		}
		select {
		case pages <- page:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
}
