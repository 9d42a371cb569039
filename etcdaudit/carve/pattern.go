package carve

import "encoding/binary"

// patterns finds a few short texts in many bytes, all of them in one pass that
// looks at two bytes of every four.
type patterns struct {
	width int
	texts []text
	// table says for two bytes which of lists has the places that they can be
	// at; 0 where they are in no text.
	table [tableSize]uint8
	lists [][]place
}

// text is what is looked for, and what it means.
type text struct {
	bytes string
	// resource is the index of the resource whose kind the text is, or one of the
	// negative numbers below.
	resource int
	// skip is how many bytes of the text come before the kind.
	skip int
}

// place is a position in a text.
type place struct{ text, at int }

// What a text is that is no kind.
const (
	ofKeys = -1 // the prefix of keys
	ofType = -2 // the field of a Secret that is the last one in JSON
)

const (
	tableBits = 12
	tableSize = 1 << tableBits
	// maxWidth is how much of a text has to be there to be found: one byte more than
	// a step passes over, so that two bytes of each text are looked at.
	maxWidth = 5
)

// slot spreads the pairs of letters that texts have.
func slot(two uint16) uint32 { return uint32(two) * 0x9e3779b1 >> (32 - tableBits) }

func newPatterns(prefix string, resources []Resource) *patterns {
	p := &patterns{width: maxWidth, lists: make([][]place, 1)}
	p.add(text{bytes: prefix + "/", resource: ofKeys})
	p.add(text{bytes: jsonType, resource: ofType})
	for i, r := range resources {
		switch {
		case r.Kind == "":
		case len(r.Kind) >= maxWidth:
			p.add(text{bytes: r.Kind, resource: i})
		default:
			// So short a text is everywhere. Before a kind the encodings have its
			// length, a quote or a space.
			length := string([]byte{byte(len(r.Kind))}) //nolint:gosec // below maxWidth
			for _, before := range []string{length, `"`, " "} {
				p.add(text{bytes: before + r.Kind, resource: i, skip: 1})
			}
		}
	}
	for i, t := range p.texts {
		for at := range p.step() {
			p.enter(slot(binary.LittleEndian.Uint16([]byte(t.bytes[at:]))), place{i, at})
		}
	}
	return p
}

func (p *patterns) add(t text) {
	p.width = min(p.width, len(t.bytes))
	p.texts = append(p.texts, t)
}

func (p *patterns) enter(slot uint32, at place) {
	list := &p.table[slot]
	if *list == 0 {
		if len(p.lists) <= 0xff {
			p.lists = append(p.lists, nil)
		}
		*list = uint8(len(p.lists) - 1) //nolint:gosec // at most 255; the last list is shared
	}
	p.lists[*list] = append(p.lists[*list], at)
}

func (p *patterns) step() int { return p.width - 1 }

// find returns where the first text begins, and which it is; -1 for none.
func (p *patterns) find(data []byte) (at int, found *text) {
	step := p.step()
	for i := 0; i+1 < len(data); i += step {
		if step == maxWidth-1 {
			i = p.skip(data, i)
			if i+1 >= len(data) {
				break
			}
		}
		list := p.table[slot(binary.LittleEndian.Uint16(data[i:]))]
		if list == 0 {
			continue
		}
		// The place farthest back in a text is the first in the data.
		at, found = -1, nil
		for _, place := range p.lists[list] {
			start := i - place.at
			if start < 0 || start+p.width > len(data) || found != nil && at <= start {
				continue
			}
			// A text that data ends in is compared as far as it is there.
			t := &p.texts[place.text]
			if end := min(start+len(t.bytes), len(data)); string(data[start:end]) == t.bytes[:end-start] {
				at, found = start, t
			}
		}
		if found != nil {
			return at, found
		}
	}
	return -1, nil
}

// skip passes over what begins no text, 16 bytes at a time.
func (p *patterns) skip(data []byte, i int) int {
	for ; i+16 <= len(data); i += 16 {
		low, high := binary.LittleEndian.Uint64(data[i:]), binary.LittleEndian.Uint64(data[i+8:])
		if p.table[slot(uint16(low))]|p.table[slot(uint16(low>>32))]| //nolint:gosec // two bytes of eight are meant
			p.table[slot(uint16(high))]|p.table[slot(uint16(high>>32))] != 0 { //nolint:gosec // as above
			break
		}
	}
	return i
}
