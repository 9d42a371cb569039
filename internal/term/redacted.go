package term

import "strings"

// Redacted hides the user's name and password in the URLs of a text: all between "://" and
// the last "@" before the next URL. It hides too much rather than too little, because a
// password may hold any character.
func Redacted(s string) string {
	parts := strings.Split(s, "://")
	for i := 1; i < len(parts); i++ {
		if at := strings.LastIndex(parts[i], "@"); at >= 0 {
			parts[i] = "xxxxx" + parts[i][at:]
		}
	}
	return strings.Join(parts, "://")
}
