package envelope

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/sealproof/sealproof/internal/transit"
)

// Limits of the KMS v2 API, in bytes (k8s.io/apiserver .../envelope/kmsv2/envelope.go).
const (
	MaxKeyID       = 1 << 10
	MaxCiphertext  = 1 << 10
	MaxAnnotations = 32 << 10
)

// MaxSeed is the largest DEK seed that is wrapped, in bytes. The API server's
// seeds have 32; every form of a seed of this size stays below MaxCiphertext.
const MaxSeed = 512

// localPrefix is the first byte of a ciphertext of FormLocal. A ciphertext of
// Transit begins with "v".
const localPrefix = 0x01

// Form says how a seed was wrapped.
type Form int

const (
	// FormLocal was wrapped with a local KEK.
	FormLocal Form = iota + 1
	// FormDirect was wrapped by Transit itself, bound to cluster and key_id.
	FormDirect
	// FormUnbound was wrapped by Transit without associated data, by another plugin.
	FormUnbound
)

// String returns the form's name as used in logs and metric labels.
func (f Form) String() string {
	switch f {
	case FormLocal:
		return "local"
	case FormDirect:
		return "direct"
	case FormUnbound:
		return "bare"
	default:
		return "unknown"
	}
}

// Stored is one wrapped DEK seed as the API server stores it: the key_id in
// Binding, Ciphertext, and what Annotations returns. LocalKEK.Wrap and Direct make
// one, Parse reads one back.
type Stored struct {
	Form    Form
	Binding Binding // Cluster is empty in FormUnbound
	// Version is the version of the Vault key, as Wrapped names it.
	Version    int
	Ciphertext []byte
	// Wrapped is what Transit has wrapped: the local KEK in FormLocal, else the
	// seed itself.
	Wrapped []byte
	// Fingerprint names the local KEK; FormLocal only.
	Fingerprint Fingerprint
}

// ErrMalformed is returned for a request that fits none of the forms.
var ErrMalformed = errors.New("malformed request")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Direct returns the stored form of a seed that Transit wrapped under
// b.DirectData().
func Direct(b Binding, wrapped []byte) Stored {
	version, _ := transit.Version(wrapped)
	return Stored{Form: FormDirect, Binding: b, Version: version, Ciphertext: wrapped, Wrapped: wrapped}
}

// Annotations returns what is stored beside the ciphertext.
func (s Stored) Annotations() map[string][]byte {
	switch s.Form {
	case FormLocal:
		return map[string][]byte{transit.AnnotationCluster: []byte(s.Binding.Cluster), transit.AnnotationKEK: s.Wrapped}
	case FormDirect:
		return map[string][]byte{transit.AnnotationCluster: []byte(s.Binding.Cluster)}
	default:
		return nil
	}
}

// AssociatedData returns what Transit has bound Wrapped to; nil in FormUnbound.
func (s Stored) AssociatedData() []byte {
	switch s.Form {
	case FormLocal:
		return s.Binding.WrapData()
	case FormDirect:
		return s.Binding.DirectData()
	default:
		return nil
	}
}

// Parse reads what the API server stored. The result refers to the slices that it
// was given. Parse checks structure and limits only, and fails with ErrMalformed;
// the keys decide whether the parts belong together.
func Parse(keyID string, ciphertext []byte, annotations map[string][]byte) (Stored, error) {
	if err := checkLimits(keyID, ciphertext, annotations); err != nil {
		return Stored{}, err
	}
	cluster, bound := annotations[transit.AnnotationCluster]
	wrapped, hasKEK := annotations[transit.AnnotationKEK]
	s := Stored{Binding: Binding{Cluster: string(cluster), KeyID: keyID}, Ciphertext: ciphertext}
	var ok bool
	if ciphertext[0] == localPrefix {
		if !bound || !hasKEK {
			return Stored{}, malformed("the ciphertext needs the annotations %s and %s, at least one is missing", transit.AnnotationCluster, transit.AnnotationKEK)
		}
		if len(ciphertext) < localHeader+overhead {
			return Stored{}, malformed("ciphertext of %d bytes is too short", len(ciphertext))
		}
		s.Form, s.Wrapped = FormLocal, wrapped
		s.Fingerprint = Fingerprint(ciphertext[1:localHeader])
		if s.Version, ok = transit.Version(wrapped); !ok {
			return Stored{}, malformed("annotation %s is no Transit ciphertext", transit.AnnotationKEK)
		}
		return s, nil
	}
	if s.Version, ok = transit.Version(ciphertext); !ok {
		return Stored{}, malformed("the ciphertext is neither Sealproof's nor Transit's")
	}
	if hasKEK {
		return Stored{}, malformed("annotation %s does not belong to a ciphertext of Transit's", transit.AnnotationKEK)
	}
	s.Form, s.Wrapped = FormUnbound, ciphertext
	if bound {
		s.Form = FormDirect
	}
	return s, nil
}

func checkLimits(keyID string, ciphertext []byte, annotations map[string][]byte) error {
	switch {
	case len(ciphertext) == 0:
		return malformed("empty ciphertext")
	case len(ciphertext) > MaxCiphertext:
		return malformed("ciphertext of %d bytes, the limit is %d", len(ciphertext), MaxCiphertext)
	case keyID == "":
		return malformed("empty key_id")
	case len(keyID) > MaxKeyID:
		return malformed("key_id of %d bytes, the limit is %d", len(keyID), MaxKeyID)
	}
	size := 0
	for name, value := range annotations {
		size += len(name) + len(value)
	}
	if size > MaxAnnotations {
		return malformed("annotations of %d bytes, the limit is %d", size, MaxAnnotations)
	}
	return nil
}

// CheckSeed returns ErrMalformed for a plaintext that cannot be wrapped.
func CheckSeed(seed []byte) error {
	switch {
	case len(seed) == 0:
		return malformed("empty plaintext")
	case len(seed) > MaxSeed:
		return malformed("plaintext of %d bytes, the limit is %d", len(seed), MaxSeed)
	}
	return nil
}

var clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// ValidateCluster says whether a string can be a cluster's identity: 1 to 63
// lower-case letters, digits, dots and dashes. It is short because it is stored
// with every object.
func ValidateCluster(name string) error {
	if !clusterName.MatchString(name) {
		return fmt.Errorf("%q is no cluster identity: want 1 to 63 lower-case letters, digits, dots or dashes, with a letter or digit at both ends", name)
	}
	return nil
}
