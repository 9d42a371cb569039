package seal

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/sealproof/sealproof/internal/transit"
)

// Limits of the KMS v2 API (k8s.io/apiserver .../envelope/kmsv2/envelope.go).
const (
	MaxKeyID       = 1 << 10
	MaxCiphertext  = 1 << 10
	MaxAnnotations = 32 << 10
)

// MaxSeed is the largest plaintext that is sealed, in bytes. The API server's
// seeds have 32; both forms of this size stay below MaxCiphertext.
const MaxSeed = 512

const formLocal = 0x01

// Form says who sealed a ciphertext.
type Form int

const (
	// FormLocal was sealed with a local KEK.
	FormLocal Form = iota + 1
	// FormDirect was wrapped by Transit itself, bound to cluster and key_id.
	FormDirect
	// FormBare was wrapped by Transit without associated data, by another plugin.
	FormBare
)

// String returns the form's name as used in logs and metric labels.
func (f Form) String() string {
	switch f {
	case FormLocal:
		return "local"
	case FormDirect:
		return "direct"
	case FormBare:
		return "bare"
	default:
		return "unknown"
	}
}

// Sealed is a stored DEK seed, taken apart. Its slices point into what was parsed.
type Sealed struct {
	Form    Form
	Binding Binding // Cluster is empty in FormBare
	// Version is the version of the Vault key, as Wrapped or the ciphertext
	// itself names it.
	Version int
	// Wrapped is what Transit has to open: the local KEK, or the seed itself.
	Wrapped []byte
	// Fingerprint names the local KEK; FormLocal only.
	Fingerprint Fingerprint
	body        []byte
}

// ErrMalformed is returned for what none of the plugin's forms can be.
var ErrMalformed = errors.New("malformed request")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Parse takes apart what the API server stored. It checks structure and limits
// only: whether the parts belong together, the keys decide.
func Parse(keyID string, ciphertext []byte, annotations map[string][]byte) (Sealed, error) {
	if err := checkLimits(keyID, ciphertext, annotations); err != nil {
		return Sealed{}, err
	}
	cluster, bound := annotations[transit.AnnotationCluster]
	wrapped, hasKEK := annotations[transit.AnnotationKEK]
	s := Sealed{Binding: Binding{Cluster: string(cluster), KeyID: keyID}}
	var ok bool
	switch {
	case ciphertext[0] == formLocal:
		if !bound || !hasKEK {
			return Sealed{}, malformed("the ciphertext needs the annotations %s and %s, which are not both there", transit.AnnotationCluster, transit.AnnotationKEK)
		}
		if len(ciphertext) < 1+FingerprintSize+overhead {
			return Sealed{}, malformed("ciphertext of %d bytes is too short", len(ciphertext))
		}
		s.Form = FormLocal
		s.Fingerprint = Fingerprint(ciphertext[1 : 1+FingerprintSize])
		s.body = ciphertext[1+FingerprintSize:]
		s.Wrapped = wrapped
		if s.Version, ok = transit.Version(wrapped); !ok {
			return Sealed{}, malformed("annotation %s is no Transit ciphertext", transit.AnnotationKEK)
		}
	default:
		if s.Version, ok = transit.Version(ciphertext); !ok {
			return Sealed{}, malformed("the ciphertext is neither Sealproof's nor Transit's")
		}
		if hasKEK {
			return Sealed{}, malformed("annotation %s does not belong to a ciphertext of Transit's", transit.AnnotationKEK)
		}
		s.Form = FormBare
		if bound {
			s.Form = FormDirect
		}
		s.Wrapped = ciphertext
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

// CheckSeed says whether a plaintext can be sealed.
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
