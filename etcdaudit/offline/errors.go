package offline

import "strings"

// Error is what failed, on what, and what to do about it.
type Error struct {
	What string
	Err  error
	Do   string
}

func (e *Error) Error() string {
	var parts []string
	parts = append(parts, e.What)
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if e.Do != "" {
		parts = append(parts, e.Do)
	}
	return strings.Join(parts, ": ")
}

func (e *Error) Unwrap() error { return e.Err }
