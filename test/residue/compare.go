package residue

import (
	"fmt"
	"slices"
	"sort"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/residue/truth"
)

// The checks that name what was found.
const (
	liveSecrets     = "EA-101" // of live values
	embeddedSecrets = "EA-107" // inside objects of other kinds
	leftSecrets     = "EA-121" // of all other layers
	fragments       = "EA-123"
)

// Tally counts the canaries of one layer.
type Tally struct {
	// Intact have their head, and Reported of them are in the report.
	Intact, Reported int
	// Headless have not, and Pieces of them lie in a reported fragment.
	Headless, Pieces int
}

// Deviation is one difference between the report and the truth.
type Deviation struct {
	File   string
	Offset int64
	Layer  truth.Layer
	Reason string
}

func (d Deviation) String() string {
	return fmt.Sprintf("%s, offset %d (%s): %s", d.File, d.Offset, d.Layer, d.Reason)
}

// Comparison is what came of it.
type Comparison struct {
	Layers map[truth.Layer]*Tally
	// Missed are canaries with their head that are not reported as they should be, Lost those
	// without that lie in no fragment, and False what is reported and is not there.
	Missed, Lost, False []Deviation
}

// Compare holds the report of a scan against the files that were scanned.
func Compare(files []*truth.File, report *auditv1.Report) *Comparison {
	c := &comparing{
		result: &Comparison{Layers: map[truth.Layer]*Tally{}},
		files:  map[string]*truth.File{}, named: map[place]named{}, pieces: map[string]*pieces{},
	}
	for _, f := range files {
		c.files[f.Name] = f
	}
	for _, check := range report.GetChecks() {
		for _, r := range check.GetResults() {
			c.take(check.GetId(), r)
		}
	}
	for _, f := range files {
		for _, o := range f.Occurrences {
			c.occurrence(f, o)
		}
	}
	return c.result
}

type comparing struct {
	result *Comparison
	files  map[string]*truth.File
	named  map[place]named
	pieces map[string]*pieces // by file
}

type place struct {
	file string
	at   int64
}

type named struct {
	check  string
	object *auditv1.Object
}

// pieces are the fragments of a file, by their offsets. After all that are listed there are
// more, if omitted.
type pieces struct {
	at      []int64
	omitted bool
}

// take notes what one result lists, and that it is there.
func (c *comparing) take(check string, r *auditv1.Result) {
	switch check {
	case liveSecrets, leftSecrets, embeddedSecrets:
		if listed := len(r.GetObjects()) + int(r.GetObjectsOmitted()); listed != int(r.GetCount()) {
			c.wrong(place{r.GetTarget(), 0}, fmt.Sprintf("%s counts %d and lists %d", check, r.GetCount(), listed))
		}
		for _, o := range r.GetObjects() {
			c.object(check, o)
		}
	case fragments:
		for _, o := range r.GetObjects() {
			of := c.pieces[o.GetOrigin().GetFile()]
			if of == nil {
				of = &pieces{}
				c.pieces[o.GetOrigin().GetFile()] = of
			}
			of.at = append(of.at, o.GetOrigin().GetOffset())
			at := place{o.GetOrigin().GetFile(), o.GetOrigin().GetOffset()}
			if f := c.files[at.file]; f == nil || !f.Headless(at.at) {
				c.wrong(at, "a fragment, where something begins, or is in use, or nothing is")
			}
			of.omitted = of.omitted || int(r.GetCount()) > len(r.GetObjects())
		}
		for _, of := range c.pieces {
			slices.Sort(of.at)
		}
	}
}

func (c *comparing) wrong(at place, reason string) {
	d := Deviation{File: at.file, Offset: at.at, Reason: reason}
	if f := c.files[at.file]; f != nil {
		d.Layer = f.Layer(at.at)
	}
	c.result.False = append(c.result.False, d)
}

// object notes an object and looks whether it is where the report says.
func (c *comparing) object(check string, o *auditv1.Object) {
	at := place{o.GetOrigin().GetFile(), o.GetOrigin().GetOffset()}
	key := keyOf(o)
	what := fmt.Sprintf("%s names %s", check, key)
	if _, twice := c.named[at]; twice {
		c.wrong(at, what+", and one object was named there before")
		return
	}
	c.named[at] = named{check, o}
	f := c.files[at.file]
	if f == nil {
		c.wrong(at, what+" in a file that was not scanned")
		return
	}
	w := f.Value(key, at.at)
	if check == embeddedSecrets && w == nil {
		w = f.Around(key, at.at)
	}
	switch {
	case w == nil:
		c.wrong(at, what+", of which no value begins there")
	case (w.Kind == "Secret") == (check == embeddedSecrets):
		c.wrong(at, fmt.Sprintf("%s, which is a %s", what, w.Kind))
	case o.GetOrigin().GetLayer() != layerOf(f.Layer(at.at)):
		c.wrong(at, fmt.Sprintf("%s in the layer %q", what, o.GetOrigin().GetLayer()))
	case (check == liveSecrets) != (f.Layer(at.at) == truth.Live) && check != embeddedSecrets:
		c.wrong(at, what+", which is the wrong check for the layer")
	}
}

// keyOf is the etcd key of an object in a report.
func keyOf(o *auditv1.Object) string {
	path := o.GetResource()
	if path == "backups.example.com" { // the one custom resource of the scenario
		path = "example.com/backups"
	}
	return "/registry/" + path + "/" + o.GetNamespace() + "/" + o.GetName()
}

// layerOf is the id that the auditor gives a layer: it counts what lies behind the end of a
// file's contents to the layer before it.
func layerOf(l truth.Layer) string {
	switch l {
	case truth.Live, truth.History:
		return string(l)
	case truth.FreePages, truth.BeyondPages:
		return "free-pages"
	case truth.Log, truth.BehindLog:
		return "wal"
	}
	return "none"
}

// occurrence looks for one canary in the report.
func (c *comparing) occurrence(f *truth.File, o truth.Occurrence) {
	tally := c.result.Layers[o.Layer]
	if tally == nil {
		tally = &Tally{}
		c.result.Layers[o.Layer] = tally
	}
	deviation := Deviation{File: o.File, Offset: o.Offset, Layer: o.Layer}
	if !o.Intact {
		tally.Headless++
		if c.inPiece(f, o.Offset) {
			tally.Pieces++
			return
		}
		deviation.Reason = "a piece of a value of " + o.Write.Key + " that is in no fragment"
		c.result.Lost = append(c.result.Lost, deviation)
		return
	}
	tally.Intact++
	if deviation.Reason = c.missing(f, o); deviation.Reason == "" {
		tally.Reported++
		return
	}
	c.result.Missed = append(c.result.Missed, deviation)
}

// missing says what the report lacks of a canary with its head; nothing if it has it.
func (c *comparing) missing(f *truth.File, o truth.Occurrence) string {
	what := fmt.Sprintf("the value of %s (revision %d) that begins at %d", o.Write.Key, o.Write.ModRevision, o.Value)
	got, ok := c.named[place{f.Name, o.Value}]
	if !ok && o.Write.Kind != "Secret" {
		got, ok = c.inside(f, o)
	}
	if !ok {
		return what + " is not reported"
	}
	if key := keyOf(got.object); key != o.Write.Key {
		return what + " is reported as " + key
	}
	if got := got.object.GetRevision(); got != o.Write.ModRevision && (got != 0 || o.Layer == truth.Live || o.Layer == truth.History) {
		return fmt.Sprintf("%s is reported with revision %d", what, got)
	}
	if at := got.object.GetOrigin(); at.GetRaftIndex() != o.Index || at.GetRaftTerm() != o.Term {
		return fmt.Sprintf("%s is in the entry %d of term %d, and reported in %d of %d", what, o.Index, o.Term, at.GetRaftIndex(), at.GetRaftTerm())
	}
	return ""
}

// inside finds what was reported of a Secret inside the value that an occurrence is in.
func (c *comparing) inside(f *truth.File, o truth.Occurrence) (named, bool) {
	for at := o.Value; at < o.Value+int64(len(o.Write.Value)); at++ {
		if got, ok := c.named[place{f.Name, at}]; ok && got.check == embeddedSecrets {
			return got, true
		}
	}
	return named{}, false
}

// inPiece reports whether a fragment begins before an offset, with nothing in between that
// the database uses. Of fragments that are not listed it believes the report.
func (c *comparing) inPiece(f *truth.File, offset int64) bool {
	of := c.pieces[f.Name]
	if of == nil {
		return false
	}
	next := sort.Search(len(of.at), func(i int) bool { return of.at[i] > offset })
	return next > 0 && f.Unused(of.at[next-1], offset+1) || next == len(of.at) && of.omitted
}
