package data

import "fmt"

// values is "1 value" or "7 values".
func values(n int64) string { return number(n, "value") }

func number(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
