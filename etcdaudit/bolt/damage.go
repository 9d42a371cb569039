package bolt

import "fmt"

// Damage is one place of the file that is not as bbolt writes it. It holds no bytes of
// keys and values.
//
//nolint:errname // first of all it is an item of a list
type Damage struct {
	// Offset in the file, in bytes.
	Offset int64
	Reason string
}

func (d Damage) Error() string { return fmt.Sprintf("at offset %d: %s", d.Offset, d.Reason) }

// maxDamages bounds what a file of nothing but damage makes us keep.
const maxDamages = 100

// Damages are the places that were found damaged.
type Damages struct {
	// First are the first 100 of them.
	First []Damage
	// More is how many there are beside those.
	More int
}

// Any reports whether there is damage.
func (d *Damages) Any() bool { return len(d.First) > 0 }

func (d *Damages) add(offset int64, format string, args ...any) {
	if len(d.First) == maxDamages {
		d.More++
		return
	}
	d.First = append(d.First, Damage{offset, fmt.Sprintf(format, args...)})
}
