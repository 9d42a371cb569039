package truth

import (
	"encoding/binary"
	"fmt"
	"sort"
	"unsafe"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// database is what bbolt makes of a file: which pages its tree reaches, and where in the file
// each revision lies.
type database struct {
	pageSize, highWater int64
	reachable           []bool // by page
	elements            []element
}

// element is one revision of a key, from the first byte of its mvccpb.KeyValue on.
type element struct {
	from, to int64
	key      string
	revision int64
	layer    Layer
}

// readDatabase opens a copy of a database, which no etcd may use, or a snapshot.
func readDatabase(name string) (*database, error) {
	// The free pages are those that no tree reaches: etcd keeps no list of them in the file,
	// so bbolt walks all pages to load them.
	file, err := bolt.Open(name, 0, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return nil, fmt.Errorf("open %s by bbolt: %w", name, err)
	}
	d := &database{pageSize: int64(file.Info().PageSize)}
	err = file.View(d.read)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s by bbolt: %w", name, err)
	}
	return d, nil
}

func (d *database) read(tx *bolt.Tx) error {
	d.highWater = tx.Size()
	d.reachable = make([]bool, d.highWater/d.pageSize)
	for id := 0; id < len(d.reachable); {
		page, err := tx.Page(id)
		if err != nil {
			return err
		}
		next := id + 1
		if page.Type != "free" {
			for next += page.OverflowCount; id < min(next, len(d.reachable)); id++ {
				d.reachable[id] = true
			}
		}
		id = next
	}
	keys := tx.Bucket([]byte("key"))
	if keys == nil {
		return fmt.Errorf("no bucket %q", "key")
	}
	// bbolt hands out slices of the mapped file: their addresses are file offsets.
	base := tx.DB().Info().Data
	newest := map[string]int{} // by key, in d.elements; -1 where it was deleted
	err := keys.ForEach(func(k, v []byte) error {
		if len(k) < 17 || len(v) == 0 {
			return fmt.Errorf("%x is no revision", k)
		}
		kv := &mvccpb.KeyValue{}
		if err := proto.Unmarshal(v, kv); err != nil {
			return fmt.Errorf("revision %x: %w", k, err)
		}
		key := string(kv.GetKey())
		if deleted := len(k) == 18 && k[17] == 't'; deleted {
			newest[key] = -1
			return nil
		}
		from := int64(uintptr(unsafe.Pointer(&v[0])) - base) //nolint:gosec // an address in the mapped file
		newest[key] = len(d.elements)
		d.elements = append(d.elements, element{
			from: from, to: from + int64(len(v)), key: key, layer: History,
			revision: int64(binary.BigEndian.Uint64(k)), //nolint:gosec // etcd counts from 1
		})
		return nil
	})
	for _, i := range newest {
		if i >= 0 {
			d.elements[i].layer = Live
		}
	}
	sort.Slice(d.elements, func(i, j int) bool { return d.elements[i].from < d.elements[j].from })
	return err
}

// at says what a place is; e is nil where no revision lies.
func (d *database) at(offset int64) (layer Layer, e *element) {
	i := sort.Search(len(d.elements), func(i int) bool { return d.elements[i].to > offset })
	if i < len(d.elements) && d.elements[i].from <= offset {
		return d.elements[i].layer, &d.elements[i]
	}
	switch {
	case offset >= d.highWater:
		return BeyondPages, nil
	case d.reachable[offset/d.pageSize]:
		return NoElement, nil
	}
	return FreePages, nil
}

// unused reports whether no page of [from, to) is a part of the tree.
func (d *database) unused(from, to int64) bool {
	for page := from / d.pageSize; page*d.pageSize < min(to, d.highWater); page++ {
		if d.reachable[page] {
			return false
		}
	}
	return true
}
