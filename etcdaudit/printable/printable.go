// Package printable makes what other machines say safe to show. It must never
// know what the text means.
package printable

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Text makes text from elsewhere safe for a terminal and for a report: what is
// not printable is escaped, so that neither the name of an object nor what a
// server answers can move the cursor, forge a line or break UTF-8.
func Text(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			quoted := strconv.Quote(s)
			return quoted[1 : len(quoted)-1]
		}
	}
	return s
}
