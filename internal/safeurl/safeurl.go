// Package safeurl takes passwords out of addresses before they are shown.
package safeurl

import "strings"

// WithoutUserinfo returns a text without the "user:password@" of each URL in it: without all
// that stands between "://" and the last "@" before the next URL. It takes out too much rather
// than too little, because a password may hold any character and make a URL invalid.
func WithoutUserinfo(text string) string {
	parts := strings.Split(text, "://")
	for i := 1; i < len(parts); i++ {
		parts[i] = parts[i][strings.LastIndex(parts[i], "@")+1:]
	}
	return strings.Join(parts, "://")
}
