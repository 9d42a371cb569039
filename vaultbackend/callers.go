package vaultbackend

import (
	"context"
	"fmt"
	"net/http"
	"regexp"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// uidHeader carries the uids of the API server's requests for which a request
// to Vault is made. Vault writes it to its audit log where an administrator has
// listed it at sys/config/auditing/request-headers.
const uidHeader = "X-Sealproof-Uid"

// maxUIDs bounds the uids in one request; a batch may serve 256 callers.
const maxUIDs = 16

type uidsKey struct{}

// withUIDs returns a context for a request that is made for several callers.
func withUIDs(ctx context.Context, uids []string) context.Context {
	return context.WithValue(ctx, uidsKey{}, uids)
}

// uidsOf returns the uids of the callers that a request is made for; none for what
// the plugin asks by itself.
func uidsOf(ctx context.Context) []string {
	if uids, ok := ctx.Value(uidsKey{}).([]string); ok {
		return uids
	}
	if uid := backend.Caller(ctx); uid != "" {
		return []string{uid}
	}
	return nil
}

// printableUID is a uid that cannot be mistaken for anything else in a log.
var printableUID = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)

// uidHeaders returns the header with the uids of a request's callers. Every user of
// the socket chooses its uids: one that is not printable or too long is left out.
// What does not fit is counted in a last value such as "+48".
func uidHeaders(ctx context.Context) http.Header {
	var values []string
	more := 0
	seen := map[string]bool{}
	for _, uid := range uidsOf(ctx) {
		known := seen[uid] // a caller who asks for several items comes several times
		seen[uid] = true
		switch {
		case known, !printableUID.MatchString(uid):
		case len(values) == maxUIDs:
			more++
		default:
			values = append(values, uid)
		}
	}
	if more > 0 {
		values = append(values, fmt.Sprintf("+%d", more))
	}
	if values == nil {
		return nil
	}
	return http.Header{uidHeader: values}
}
