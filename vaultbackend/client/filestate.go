package client

import (
	"os"
	"slices"
	"sync"
)

// fileStates remember in which state files were when they were used last. Without
// paths nothing ever counts as changed. They are safe for concurrent use.
type fileStates struct {
	paths []string

	mu    sync.Mutex
	infos []os.FileInfo // nil for one that was not there
}

// look returns the files as they are now. Look before reading them, and set the
// result once they have served: then neither what is written meanwhile nor what did
// not serve is taken for something that was used already.
func (m *fileStates) look() []os.FileInfo {
	infos := make([]os.FileInfo, len(m.paths))
	for i, path := range m.paths {
		infos[i], _ = os.Stat(path) // reading it will say what is wrong
	}
	return infos
}

func (m *fileStates) set(infos []os.FileInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.infos = infos
}

// changed reports whether one of the files is another one, or was written to,
// since set. A file that is gone for a moment, as between a removal and a rename,
// is not a change: there is nothing better to read.
func (m *fileStates) changed() bool {
	m.mu.Lock()
	before := slices.Concat(m.infos, make([]os.FileInfo, len(m.paths)-len(m.infos)))
	m.mu.Unlock()
	for i, now := range m.look() {
		if now != nil && (before[i] == nil || !sameState(before[i], now)) {
			return true
		}
	}
	return false
}

func sameState(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
