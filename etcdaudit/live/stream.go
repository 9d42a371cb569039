package live

import (
	"context"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// maxStreams bounds how many streams are opened: from then on one brings all the rest. It is
// far above the number of resources of a cluster.
const maxStreams = 2_000

// rest reads from the cursor to the end of the prefix: one stream for each resource, because
// etcd makes its messages larger as long as values are small, and would go on so with the next
// resource's. An etcd without streams (before 3.7), a proxy and a stand-in are read in pages.
func (r *reading) rest(ctx context.Context) error {
	end := r.snap.end()
	for n := 0; ; n++ {
		to := end
		// A user with a password is logged in anew for each stream, which etcd writes into its
		// log and which costs it a hash of the password.
		if n < maxStreams && r.snap.store.config.Username == "" {
			key, err := r.seek(ctx, end)
			if codeOf(err) == codes.Unimplemented {
				return r.pages(ctx, end, 0)
			}
			if err != nil || key == "" {
				return err
			}
			to = r.resourceEnd(key)
		}
		if err := r.stream(ctx, to); err != nil || to == end {
			return err
		}
		r.from = to
	}
}

// seek returns the first key from the cursor on, empty if there is none. It is the first of a
// stream of names that is given up: only a stream does not count the rest.
func (r *reading) seek(ctx context.Context, end string) (key string, err error) {
	req := r.request(end)
	req.KeysOnly = true
	store := r.snap.store
	var wrong error
	err = store.repeat(ctx, func() (failed error) {
		failed, wrong = store.stream(ctx, req, &r.frame, func() (bool, error) {
			if err := r.decoded(r.got.decodeStream(r.frame.bytes)); err != nil || len(r.got.records) == 0 {
				return err == nil, err
			}
			key = string(r.got.records[0].Key)
			return false, nil
		})
		return failed
	})
	switch {
	case err != nil:
		return "", err
	case wrong != nil:
		return "", wrong
	case key != "" && (key < r.from || key >= end):
		return "", inconsistent(r.op, "key %q is not in the range that was asked for", key)
	}
	return key, nil
}

// resourceEnd returns where the keys of a key's resource end: PREFIX/secrets/, and
// PREFIX/example.com/widgets/ for those of a group.
func (r *reading) resourceEnd(key string) string {
	rest := key[len(r.snap.Prefix):]
	segment, behind, ok := strings.Cut(rest, "/")
	if ok && strings.Contains(segment, ".") {
		var resource string
		if resource, _, ok = strings.Cut(behind, "/"); ok {
			segment += "/" + resource
		}
	}
	if !ok {
		return r.snap.end() // no API server builds such a key
	}
	return clientv3.GetPrefixRangeEnd(r.snap.Prefix + segment + "/")
}

// stream reads from the cursor to end as a stream, and in pages what etcd sends in messages
// that are too large.
func (r *reading) stream(ctx context.Context, end string) error {
	store := r.snap.store
	for n := 1; ; n++ {
		before := r.read
		failed, err := store.stream(ctx, r.request(end), &r.frame, func() (bool, error) {
			if err := r.decoded(r.got.decodeStream(r.frame.bytes)); err != nil {
				return false, err
			}
			return true, r.take(ctx, &r.got)
		})
		if r.read > before {
			n = 1
		}
		switch {
		case err != nil || failed == nil:
			return err
		case oversized(failed):
			// etcd's messages have 10 keys, and then at most twice as many as the one before: this
			// one has no more than all before it, and 10.
			return r.pages(ctx, end, r.read-before+10)
		case codeOf(failed) == codes.Unimplemented:
			return r.pages(ctx, end, 0)
		case !transient(failed) || n >= maxRepeats || !store.pause(ctx, failed):
			return failed
		}
	}
}
