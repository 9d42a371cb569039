// Package safeurl takes passwords out of addresses before they are shown.
package safeurl

import "regexp"

// WithoutUserinfo returns a text of one or more URLs, separated by commas, semicolons or
// spaces, without the "user:password@" of each. It does not parse them: a password may make
// a URL invalid.
func WithoutUserinfo(text string) string {
	return regexp.MustCompile(`://[^,;\s]*@`).ReplaceAllString(text, "://")
}
