package live

// Sizes of a page. etcd is asked for a number of keys, but what has to be
// bounded is bytes.
const (
	// pageBytes is the size aimed at. Smaller ones cost more requests, larger ones
	// nothing but memory.
	pageBytes = 4 << 20
	// receiveLimit is the most that is accepted in one answer. It leaves room for answers that
	// turn out larger than those before them, and for the largest value of an etcd with a
	// raised --max-request-bytes.
	receiveLimit = 16 << 20

	firstPage = 16     // keys; nothing is known yet, and a value may have 1.5 MiB
	maxPage   = 10_000 // keys; what a kube-apiserver asks for when it starts
	maxGrowth = 4      // from one page to the next: sizes change without notice
)

// received takes into account a page of so many keys and bytes.
func (p *pager) received(keys int, bytes int64) {
	if keys == 0 || bytes == 0 {
		return
	}
	most := int64(maxPage)
	if p.careful -= int64(keys); p.careful > 0 {
		most = firstPage
	}
	fitting := pageBytes * int64(keys) / bytes
	p.limit = min(max(fitting, 1), p.limit*maxGrowth, most)
}

// refused shrinks the page after a response that exceeded the receive limit. etcd has made that
// response, however large: the keys that were in it are asked for a few at a time, although the
// first of them may be small. It returns false when a single key already exceeds the limit.
func (p *pager) refused() bool {
	if p.limit == 1 {
		return false
	}
	p.careful = max(p.careful, p.limit)
	p.limit = max(min(p.limit/maxGrowth, firstPage), 1)
	return true
}
