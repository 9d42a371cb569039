package main

import (
	"io"
	"sync"
)

// syncWriter lets a command's two outputs, which are copied concurrently, go
// to one writer.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// dropDownloads passes on everything but the lines about downloaded modules.
// It expects whole lines in one Write, as the go command writes them; what it
// does not recognise is shown.
type dropDownloads struct{ w io.Writer }

func (d *dropDownloads) Write(p []byte) (int, error) {
	if _, err := io.WriteString(d.w, withoutDownloads(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
