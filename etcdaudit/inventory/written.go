package inventory

import "github.com/sealproof/sealproof/etcdaudit/record"

// add counts one value, or takes it back where one is -1. The revisions of what is taken back
// stay: they were there when they were read.
func (c *Count) add(rec record.Record, one int64) {
	if c.Values == 0 || rec.ModRevision < c.OldestRevision {
		c.OldestRevision = rec.ModRevision
	}
	c.NewestRevision = max(c.NewestRevision, rec.ModRevision)
	c.Values += one
	// A source that shows no version shows that there was one write.
	c.Writes += one * max(1, rec.Version)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
