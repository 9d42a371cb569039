// Package term prepares text for people: it escapes unsafe text, and uses colours on
// terminals only. It never knows what a text means.
package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colours paints words; the zero value does not.
type Colours bool

// ColoursFor paints on a terminal only, unless NO_COLOR is set (https://no-color.org).
func ColoursFor(w io.Writer, getenv func(string) string) Colours {
	return Colours(IsTerminal(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb")
}

func (c Colours) paint(code, text string) string {
	if !c || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Good paints a good result: green.
func (c Colours) Good(text string) string { return c.paint("32", text) }

// Warn paints a warning: yellow.
func (c Colours) Warn(text string) string { return c.paint("33", text) }

// Bad paints an error: red and bold.
func (c Colours) Bad(text string) string { return c.paint("31;1", text) }
