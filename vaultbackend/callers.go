package vaultbackend

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// uidHeader carries the uids of the API server's requests for which a request
// to Vault is made. Vault writes it to its audit log where an administrator has
// listed it at sys/config/auditing/request-headers.
const uidHeader = "X-Sealproof-Uid"

const (
	// maxUIDs bounds the uids in one request; a batch may serve 256 callers.
	maxUIDs = 16
	// maxUID bounds one of them. The API server's are UUIDs, 36 characters.
	maxUID = 64
)

type uidsKey struct{}

// withUIDs returns a context for a request that is made for several callers.
func withUIDs(ctx context.Context, uids []string) context.Context {
	return context.WithValue(ctx, uidsKey{}, uids)
}

// uidsOf returns the uids of those for whom a request is made; none for what
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

// headerUIDs returns the values of the header. A uid comes from whoever may use
// the socket: one that could be mistaken for something else in a log is left
// out. What does not fit is counted in a last value such as "+48".
func headerUIDs(uids []string) []string {
	var values []string
	more := 0
	seen := map[string]bool{}
	for _, uid := range uids {
		known := seen[uid] // who asks for several items comes several times
		seen[uid] = true
		switch {
		case known, uid == "" || len(uid) > maxUID || strings.ContainsFunc(uid, isUnsafe):
		case len(values) == maxUIDs:
			more++
		default:
			values = append(values, uid)
		}
	}
	if more > 0 {
		values = append(values, fmt.Sprintf("+%d", more))
	}
	return values
}

func isUnsafe(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
