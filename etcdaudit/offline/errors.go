package offline

import (
	"errors"
	"io/fs"
	"strings"
)

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

// reason is an error without the path, which the text around it names.
func reason(err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func access(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "run as root, or as the user that etcd runs as"
	}
	return ""
}
