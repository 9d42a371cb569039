package verify

// Outcome is whether a value can be decrypted, or why not.
type Outcome uint8

const (
	// NotEvaluated: nothing is known, because nothing was given that could open the
	// value, or it could not be asked.
	NotEvaluated Outcome = iota
	// Opened: there is an object.
	Opened
	// NoObject: it opens, and what comes out is no object in an encoding that this
	// program knows, or not all of one.
	NoObject
	// WrongKey: what was given for it does not open it. Where the beginning of a
	// ciphertext of aescbc, aesgcm or secretbox, or a DEK source, was changed, it looks
	// the same.
	WrongKey
	// OtherName: a key opens it that has another name than the value says, so that
	// no API server finds it.
	OtherName
	// Moved: it opens under another etcd key, which is the one that it was written
	// under.
	Moved
	// Damaged: its key is there, and it was changed. That its key is there shows in what it
	// decrypts to, and of KMS v2 in that its DEK source opens. Where the key is bound to a
	// place that cannot be guessed, one that was moved looks the same.
	Damaged
	// AnnotationsChanged: its DEK source opens with other annotations or another
	// key_id than the value has.
	AnnotationsChanged
	// VersionRetired: its version of the key is no longer decrypted with.
	VersionRetired
	// OtherCluster: it was encrypted for another cluster.
	OtherCluster
	// Refused: the KMS plugin or key store refuses its DEK source, for a reason of
	// its own. It refuses an API server as well.
	Refused

	outcomeCount
)

// String returns what a report says of a value.
func (o Outcome) String() string {
	switch o {
	case Opened:
		return "opened"
	case NoObject:
		return "opened, and no object"
	case WrongKey:
		return "wrong key"
	case OtherName:
		return "key of another name"
	case Moved:
		return "moved"
	case Damaged:
		return "damaged"
	case AnnotationsChanged:
		return "annotations changed"
	case VersionRetired:
		return "key version retired"
	case OtherCluster:
		return "of another cluster"
	case Refused:
		return "refused"
	default:
		return "not evaluated"
	}
}

// Undecryptable reports whether an API server fails on such a value.
func (o Outcome) Undecryptable() bool { return o > Opened && o < outcomeCount }

// Outcomes returns every outcome, in a stable order.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomeCount)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// Result is what was found of one value.
type Result struct {
	Outcome Outcome
	// Why says more where the outcome alone does not.
	Why string
	// Source is the DEK source of a KMS v2 value, as far as it could be read. Where
	// that did not open, Sources.Outcome may know more in the end.
	Source ID
	// From is the etcd key that a Moved value was written under.
	From string
	// Name is the name of the key that fits, where the value says another one.
	Name string

	// Identity compares what was opened with the etcd key. Holds is what stands
	// there where it Differs.
	Identity Identity
	Holds    Object
	// Custom is what an object says of itself whose resource's kind is not known, where all else
	// is the Same, and Defines what it says of another resource, as a CustomResourceDefinition.
	Custom, Defines Kind
}
