package truth

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// Write is one value that was written to etcd, byte for byte.
type Write struct {
	// Key is the etcd key; Namespace and Name are the last two parts of it.
	Key, Namespace, Name string
	// ModRevision is the revision that wrote it.
	ModRevision int64
	Value       []byte
	// Kind is what the value is an object of, such as "Secret".
	Kind string

	canaries []canary
	// inDatabase and inLog are the bytes that stand before the value: the key and what else
	// precedes the value in an mvccpb.KeyValue and in a PutRequest.
	inDatabase, inLog []byte
	// named is how many bytes of Value it takes to see kind, namespace and name in it; more
	// than there are if they are not all in it.
	named int
}

// canary is the place of a canary within a value.
type canary struct {
	pattern []byte
	at      int
}

// Ledger knows what was written. It is safe for concurrent use.
type Ledger struct {
	markers [4][]byte

	mu     sync.Mutex
	places map[string]place // by the bytes of a canary
	keys   map[string][]*Write
}

type place struct {
	write *Write
	at    int
}

// NewLedger returns a ledger of nothing, with a marker of its own.
func NewLedger() *Ledger {
	return &Ledger{markers: forms(randomText(markerSize)), places: map[string]place{}, keys: map[string][]*Write{}}
}

// Canary makes a new one: text that nothing else in the world contains.
func (l *Ledger) Canary() []byte {
	return append(slices.Clone(l.markers[0]), randomText(canarySize-markerSize)...)
}

// Add notes a value as etcd has it, and the canaries that were put into it. Each must be in it
// once, as it is or as base64.
func (l *Ledger) Add(kv *mvccpb.KeyValue, kind string, canaries ...[]byte) error {
	parts := strings.Split(string(kv.GetKey()), "/")
	if len(parts) < 3 {
		return fmt.Errorf("%s: no key with a namespace and a name", kv.GetKey())
	}
	w := &Write{
		Key: string(kv.GetKey()), Namespace: parts[len(parts)-2], Name: parts[len(parts)-1], Kind: kind,
		ModRevision: kv.GetModRevision(), Value: bytes.Clone(kv.GetValue()),
	}
	if err := w.frame(kv); err != nil {
		return err
	}
	for _, word := range []string{kind, w.Namespace, w.Name} {
		at := bytes.Index(w.Value, []byte(word))
		if at < 0 {
			w.named = len(w.Value) + 1
			break
		}
		w.named = max(w.named, at+len(word))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range canaries {
		found, err := locate(w.Value, c)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Key, err)
		}
		if other, taken := l.places[string(found.pattern)]; taken {
			return fmt.Errorf("%s: the canary is in %s already", w.Key, other.write.Key)
		}
		w.canaries = append(w.canaries, found)
		l.places[string(found.pattern)] = place{w, found.at}
	}
	l.keys[w.Key] = append(l.keys[w.Key], w)
	return nil
}

// frame computes what stands before the value.
func (w *Write) frame(kv *mvccpb.KeyValue) error {
	stored, err := proto.Marshal(&mvccpb.KeyValue{
		Key: kv.GetKey(), CreateRevision: kv.GetCreateRevision(), ModRevision: kv.GetModRevision(), Version: kv.GetVersion(), Value: w.Value,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", w.Key, err)
	}
	request, err := proto.Marshal(&etcdserverpb.PutRequest{Key: kv.GetKey(), Value: w.Value})
	if err != nil {
		return fmt.Errorf("%s: %w", w.Key, err)
	}
	// The value is the last field of both.
	w.inDatabase, w.inLog = stored[:len(stored)-len(w.Value)], request[:len(request)-len(w.Value)]
	return nil
}

func locate(value, secret []byte) (found canary, err error) {
	for _, form := range forms(secret) {
		switch bytes.Count(value, form) {
		case 0:
			continue
		case 1:
		default:
			return canary{}, errors.New("a canary is in its value more than once")
		}
		if found.pattern != nil {
			return canary{}, errors.New("a canary is in its value in two forms")
		}
		found = canary{form, bytes.Index(value, form)}
	}
	if found.pattern == nil {
		return canary{}, errors.New("a canary is not in its value")
	}
	return found, nil
}

// Writes are all that was added, in the order of their revisions.
func (l *Ledger) Writes() (all []*Write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, writes := range l.keys {
		all = append(all, writes...)
	}
	slices.SortFunc(all, func(a, b *Write) int { return cmp.Compare(a.ModRevision, b.ModRevision) })
	return all
}

// each finds the canaries of all writes in data.
func (l *Ledger) each(data []byte, found func(at int64, p place)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole := forms(make([]byte, canarySize)) // for the lengths only
	for i, marker := range l.markers {
		for at := 0; ; at++ {
			next := bytes.Index(data[at:], marker)
			if next < 0 {
				break
			}
			at += next
			if p, ok := l.places[string(data[at:min(at+len(whole[i]), len(data))])]; ok {
				found(int64(at), p)
			}
		}
	}
}
