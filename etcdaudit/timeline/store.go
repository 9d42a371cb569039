package timeline

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unsafe"

	"github.com/sealproof/sealproof/etcdaudit/workfile"
	"github.com/sealproof/sealproof/internal/term"
)

// chunk is how many sightings are put in order at a time, but in tests.
const chunk = 1 << 16

// run is a sequence of sightings in order, each version once: in memory, or in the work file.
type run struct {
	chunks   [][]sighting
	at, size int64 // in the file, in bytes
}

// store keeps sightings within a bound of memory, and gives them back in their order.
type store struct {
	chunk   int
	memory  int64 // bytes that runs may take
	workDir string
	sets    *placeSets

	buffer []sighting
	places []uint32 // used again by joined
	runs   []run
	kept   int64 // sightings in memory, but for the buffer
	merged int64 // how many there were when runs were last merged
	file   *os.File
	end    int64 // of the file
}

var _ [sightingSize]struct{} = [unsafe.Sizeof(sighting{})]struct{}{}

func (s *store) add(one sighting) error {
	if s.buffer == nil {
		var err error
		if s.buffer, err = mapped(s.chunk); err != nil {
			return err
		}
	}
	s.buffer = append(s.buffer, one)
	if len(s.buffer) < cap(s.buffer) {
		return nil
	}
	if err := s.tidy(); err != nil || 2*len(s.buffer) <= cap(s.buffer) {
		return err
	}
	return s.flush()
}

// tidy puts the buffer in order, each version once.
func (s *store) tidy() error {
	slices.SortFunc(s.buffer, func(a, b sighting) int { return a.compare(&b) })
	kept := s.buffer[:0]
	for rest := s.buffer; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].compare(&rest[0]) == 0 {
			n++
		}
		one, err := s.joined(rest[:n])
		if err != nil {
			return err
		}
		kept, rest = append(kept, one), rest[n:]
	}
	s.buffer = kept
	return nil
}

// joined makes one of the sightings of a version.
func (s *store) joined(all []sighting) (one sighting, err error) {
	one, s.places = all[0], append(s.places[:0], all[0].places)
	for i := range all[1:] {
		one.join(&all[1+i])
		s.places = append(s.places, all[1+i].places)
	}
	one.places = s.sets.union(s.places)
	if s.sets.bytes > s.memory/2 { // the other half is for sightings, or a run would be few of them
		err = &MemoryError{Bytes: s.memory, Why: "its versions lie in too many different sets of files", Do: "raise that, or scan fewer at once"}
	}
	return one, err
}

// flush makes a run of the buffer.
func (s *store) flush() error {
	if len(s.buffer) == 0 {
		return nil
	}
	list, err := mapped(len(s.buffer))
	if err != nil {
		return err
	}
	s.runs = append(s.runs, run{chunks: [][]sighting{append(list, s.buffer...)}})
	s.kept += int64(len(s.buffer))
	s.buffer = s.buffer[:0]
	if 2*s.kept >= 3*s.merged+8*int64(s.chunk) {
		// The same version is seen in several layers.
		if err := s.merge(); err != nil {
			return err
		}
	}
	if s.kept*sightingSize+s.sets.bytes <= s.memory {
		return nil
	}
	return s.spill()
}

// merge makes one run of those in memory.
func (s *store) merge() error {
	var all run
	var current []sighting
	inFile := slices.DeleteFunc(slices.Clone(s.runs), func(r run) bool { return r.chunks != nil })
	s.runs = slices.DeleteFunc(s.runs, func(r run) bool { return r.chunks == nil })
	s.kept = 0
	err := s.each(func(one *sighting) error {
		if current == nil {
			var err error
			if current, err = mapped(s.chunk); err != nil {
				return err
			}
		}
		if current = append(current, *one); len(current) == cap(current) {
			all.chunks, current = append(all.chunks, current), nil
		}
		s.kept++
		return nil
	})
	if len(current) > 0 {
		all.chunks = append(all.chunks, current)
	}
	s.runs, s.merged = slices.Concat(inFile, []run{all}), s.kept
	return err
}

// spill writes what is in memory to the work file.
func (s *store) spill() error {
	if s.workDir == "" {
		return &MemoryError{Bytes: s.memory, Do: "raise that, or give --work-dir, a directory for what goes beyond it (it is removed again)"}
	}
	if s.file == nil {
		f, err := workfile.Make(s.workDir, "work file")
		if err != nil {
			return fmt.Errorf("make a file for the timeline in %s: %w: %s", s.workDir, err, workfile.Help)
		}
		s.file = f
	}
	if err := s.merge(); err != nil {
		return err
	}
	begin, b := s.end, make([]byte, sightingSize)
	out := bufio.NewWriterSize(&workfile.Writer{File: s.file}, 1<<20)
	write := func(one *sighting) error {
		one.encode(b)
		s.end += sightingSize
		_, err := out.Write(b)
		return err
	}
	last := len(s.runs) - 1
	for _, c := range s.runs[last].chunks {
		for i := range c {
			if err := write(&c[i]); err != nil {
				return s.full(err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return s.full(err)
	}
	for _, c := range s.runs[last].chunks {
		unmap(c)
	}
	s.runs[last] = run{at: begin, size: s.end - begin}
	s.kept, s.merged = 0, 0
	return nil
}

func (s *store) full(err error) error {
	if e := new(os.PathError); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("write the timeline to --work-dir %s: %w: make room, name another directory, or raise --memory", s.workDir, err)
}

// each gives every version in order, once. The runs are used up: nothing is added after that.
func (s *store) each(give func(*sighting) error) error {
	var readers []*reader
	for i := range s.runs {
		r := &reader{run: &s.runs[i]}
		if r.size > 0 {
			r.file = bufio.NewReaderSize(io.NewSectionReader(s.file, r.at, r.size), 1<<18)
		}
		readers = append(readers, r)
	}
	readers, err := forward(readers, func(*reader) bool { return true })
	if err != nil {
		return err
	}
	var same []sighting
	for len(readers) > 0 {
		first := readers[0]
		for _, r := range readers[1:] {
			if r.one.compare(&first.one) < 0 {
				first = r
			}
		}
		at := first.one
		same = same[:0]
		for _, r := range readers {
			if r.one.compare(&at) == 0 {
				same = append(same, r.one)
			}
		}
		one, err := s.joined(same)
		if err != nil {
			return err
		}
		if err := give(&one); err != nil {
			return err
		}
		if readers, err = forward(readers, func(r *reader) bool { return r.one.compare(&at) == 0 }); err != nil {
			return err
		}
	}
	return nil
}

// close gives memory and file back. The file has no name, so that nothing is left of it.
func (s *store) close() error {
	unmap(s.buffer)
	for _, r := range s.runs {
		for _, c := range r.chunks {
			unmap(c)
		}
	}
	s.buffer, s.runs = nil, nil
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}

// reader reads one run.
type reader struct {
	*run
	file *bufio.Reader
	next int
	one  sighting
	b    [sightingSize]byte
}

// forward moves some readers on, and leaves out those that have ended.
func forward(readers []*reader, which func(*reader) bool) (left []*reader, err error) {
	for _, r := range readers {
		if which(r) {
			switch more, err := r.read(); {
			case err != nil:
				return nil, err
			case !more:
				continue
			}
		}
		left = append(left, r)
	}
	return left, nil
}

func (r *reader) read() (more bool, err error) {
	if r.file != nil {
		switch _, err := io.ReadFull(r.file, r.b[:]); {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("read the work file: %w", err)
		}
		r.one.decode(r.b[:])
		return true, nil
	}
	if len(r.chunks) > 0 && r.next == len(r.chunks[0]) {
		unmap(r.chunks[0]) // others are made while these are read
		r.chunks, r.next = r.chunks[1:], 0
	}
	if len(r.chunks) == 0 {
		return false, nil
	}
	r.one = r.chunks[0][r.next]
	r.next++
	return true, nil
}

// MemoryError is that a timeline needs more memory than is allowed. Why may be empty; Do says what
// helps.
type MemoryError struct {
	Bytes   int64
	Why, Do string
}

func (e *MemoryError) Error() string {
	what := fmt.Sprintf("the timeline needs more than the %s that --memory leaves for it", term.Size(e.Bytes))
	if e.Why != "" {
		what += ", since " + e.Why
	}
	return what + ": " + e.Do
}
