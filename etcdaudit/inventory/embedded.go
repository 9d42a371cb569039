package inventory

import (
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// Embedded are the values of other objects that hold a Secret, and the first of these objects.
type Embedded struct {
	Values  int64
	Objects []check.Object
}

// embed looks for a Secret inside an object of another kind.
func (inv *Inventory) embed(r *Resource, k storedvalue.Key, rec record.Record, one int64) {
	var in carve.Object
	if !rec.Within {
		var ok bool
		if in, ok = carve.Within(rec.Value); !ok {
			return
		}
	}
	e := &inv.embedded
	e.Values += one
	o := object(r, k, rec)
	if rec.Retracted {
		e.Objects = without(e.Objects, o)
		return
	}
	if len(e.Objects) >= maxListed {
		return
	}
	if o.Detail = "holds a Secret"; len(in.Name) > 0 {
		o.Detail = "holds the Secret " + term.Printable(shortened(in.Namespace)+"/"+shortened(in.Name))
	}
	e.Objects = append(e.Objects, o)
}

// Embedded returns the objects of other kinds that hold a Secret.
func (inv *Inventory) Embedded() Embedded { return inv.embedded }
