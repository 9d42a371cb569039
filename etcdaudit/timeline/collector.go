package timeline

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Options say how timelines are made.
type Options struct {
	// Paths are the resources beside Secrets whose objects get a timeline, as in
	// storedvalue.Key.
	Paths []string
	// Skew is the allowance for clocks: by how much one of an API server, or of a machine that
	// wrote a file, may differ from the truth. Where API servers show that they disagree by
	// more, their disagreement is taken.
	Skew time.Duration
	// Memory is how much sightings may take, in bytes: 64 for each version of a Secret. What
	// is beyond it goes to a file without a name in WorkDir; empty for none, where it is an
	// error.
	Memory  int64
	WorkDir string
	// Now is when reading began. What names a later time is not relied on.
	Now time.Time
}

const (
	// fingerprinted is how much of a value its HMAC is over, in bytes: a value that was found
	// without its length is read that far.
	fingerprinted = 4096
	// maxNamed is how many Secrets are listed. Of the others there is the number.
	maxNamed  = 20_000
	maxName   = 512 // bytes of one name; Kubernetes allows 253
	maxPlaces = math.MaxUint16
)

// Collector takes the sightings of one cluster. The zero value is not usable; see New. It is
// used by one goroutine.
type Collector struct {
	o      Options
	paths  map[string]bool
	mac    hash.Hash
	places []place
	names  map[uint64]name
	store  store
	clocks
}

// place is a Place with what reading has shown of it.
type place struct {
	Place
	// revision is the highest one of a place with live values; 0 for others.
	revision int64
	written  bound // when its file was last written; always where that is not known
	// last is the highest index in each file of a log.
	last map[string]uint64
}

type name struct{ path, namespace, name string }

// New makes an empty collector. It is closed by Close.
func New(o Options) *Collector {
	c := &Collector{o: o, paths: map[string]bool{"secrets": true}, names: map[uint64]name{}, clocks: clocks{now: o.Now, tolerated: o.Skew}}
	for _, path := range o.Paths {
		c.paths[path] = true
	}
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it does not fail: crypto/rand ends the program instead
	c.mac = hmac.New(sha256.New, key)
	c.store = store{chunk: chunk, memory: o.Memory, workDir: o.WorkDir, sets: newPlaceSets()}
	return c
}

// Close gives back what Add has used. It may be called twice.
func (c *Collector) Close() error {
	c.names, c.clocks = nil, clocks{}
	return c.store.close()
}

// Place makes a place known, and returns its id: they count from 0.
func (c *Collector) Place(p Place) (id int, err error) {
	if len(c.places) == maxPlaces {
		return 0, fmt.Errorf("more than %d files and layers are too many for one timeline: scan fewer at once", maxPlaces)
	}
	p.Prefix = strings.TrimSuffix(p.Prefix, "/")
	c.places = append(c.places, place{Place: p, written: bound{at: always}, last: map[string]uint64{}})
	return len(c.places) - 1, nil
}

// Add takes what was read in a place, of any resource: all objects tell the time. It keeps no
// byte of a value. An error is a *MemoryError, or one of the file in WorkDir.
func (c *Collector) Add(at int, rec record.Record) error {
	p := &c.places[at]
	if i := rec.Origin.Index; i > p.last[rec.Origin.File] {
		p.last[rec.Origin.File] = i
	}
	if rec.Within {
		return nil // it is a part of a value that has a key of its own
	}
	var times storedvalue.Times
	format := storedvalue.Parse(rec.Value).Format
	open := !rec.Tombstone && format.Plaintext()
	if open {
		times = c.times(rec)
	}
	k, ok := storedvalue.ParseKey(p.Prefix, rec.Key)
	if ok && open && renews(k) {
		c.renewed(rec)
	}
	if !ok || !c.paths[string(k.Path)] || rec.ModRevision < 0 || rec.CreateRevision < 0 {
		return nil
	}
	one := sighting{
		key: c.fingerprint(rec.Key), revision: rec.ModRevision, create: rec.CreateRevision, index: rec.Origin.Index,
		version: uint32(min(max(rec.Version, 0), math.MaxUint32)),
		created: uint32(times.Created), changed: uint32(times.Changed), places: c.store.sets.of(at), //nolint:gosec // storedvalue bounds them
	}
	switch {
	case rec.Tombstone:
		one.flags = deleted
	default:
		one.value = c.fingerprint(rec.Value[:min(len(rec.Value), fingerprinted)])
		if open {
			one.flags = plain
			if format == storedvalue.Unrecognised {
				one.flags |= unrecognised
			}
			c.named(one.key, k)
		}
	}
	return c.store.add(one)
}

func (c *Collector) fingerprint(b []byte) uint64 {
	c.mac.Reset()
	_, _ = c.mac.Write(b) // it does not fail
	var sum [sha256.Size]byte
	return max(binary.LittleEndian.Uint64(c.mac.Sum(sum[:0])), 1)
}

func (c *Collector) named(key uint64, k storedvalue.Key) {
	if _, ok := c.names[key]; ok || len(c.names) == maxNamed {
		return
	}
	short := func(b []byte) string { return string(b[:min(len(b), maxName)]) }
	c.names[key] = name{short(k.Path), short(k.Namespace), short(k.Name)}
}

// Read says what reading has shown of a place, when it has ended: the highest revision of its
// store, or 0 where that is not known, and when each of its files was last written.
func (c *Collector) Read(at int, revision int64, files []record.Input, read time.Time) {
	p := &c.places[at]
	if p.Layer == record.Live {
		p.revision = revision
	}
	latest := bound{at: never}
	for _, f := range files {
		written := bound{ceil(f.Modified), FileTime}
		if f.Modified.IsZero() {
			written = bound{ceil(read), ReadingTime}
		}
		latest = later(latest, written)
		if index := p.last[f.Name]; index > 0 {
			c.log.notAfter(int64(min(index, math.MaxInt64)), written)
		}
	}
	if latest.at != never {
		p.written = latest
		if p.revision > 0 {
			c.revisions.notAfter(p.revision, latest)
		}
	}
}
