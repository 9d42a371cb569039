package carve

// Limit makes the sizes of a search small, in bytes: how much is read at a time,
// and how much of one object is looked at.
func (s *Searcher) Limit(chunk, object int) *Searcher {
	s.limits = limits{chunk: chunk, object: object}
	return s
}
