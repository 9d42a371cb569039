package bolt

// bitmap has a bit for each page, or for each element.
type bitmap []uint64

func newBitmap(bits int64) bitmap { return make(bitmap, (bits+63)/64) }

func (b bitmap) set(i int64)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) clear(i int64)    { b[i/64] &^= 1 << (i % 64) }
func (b bitmap) has(i int64) bool { return b[i/64]&(1<<(i%64)) != 0 }
