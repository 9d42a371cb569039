package rules

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Printable makes text from etcd safe for a terminal and for a report: what is
// not printable is escaped, so that the name of an object can neither move the
// cursor nor break UTF-8.
func Printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			quoted := strconv.Quote(s)
			return quoted[1 : len(quoted)-1]
		}
	}
	return s
}
