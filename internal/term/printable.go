package term

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Printable makes text from another machine safe for a terminal and for a report by
// escaping what is not printable. So neither the name of an object nor a server's answer
// can move the cursor, forge a line or break UTF-8.
func Printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			quoted := strconv.Quote(s)
			return quoted[1 : len(quoted)-1]
		}
	}
	return s
}
