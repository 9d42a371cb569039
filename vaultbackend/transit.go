package vaultbackend

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sealproof/sealproof/internal/transit"

	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// hmacLength is that of HMAC-SHA-256.
const hmacLength = 32

// hmacRequests bounds the requests of one HMAC call under way at a time:
// Transit takes one key version a request.
const hmacRequests = 4

// batchRequest is the body of a Transit request for many items.
type batchRequest struct {
	Input      []batchItem `json:"batch_input"`
	KeyVersion int         `json:"key_version,omitempty"` // hmac only
	// Without it Vault answers 400 when one item of many is bad.
	PartialFailureCode int `json:"partial_failure_response_code,omitempty"`
}

// batchItem is one of them. Byte slices are base64 in JSON, as Transit wants it.
type batchItem struct {
	Input          []byte `json:"input,omitempty"`
	Plaintext      []byte `json:"plaintext,omitempty"`
	Ciphertext     string `json:"ciphertext,omitempty"`
	AssociatedData []byte `json:"associated_data,omitempty"`
	KeyVersion     int    `json:"key_version,omitempty"`
}

// batchResult is Transit's answer to one of them.
type batchResult struct {
	Plaintext  []byte `json:"plaintext"`
	Ciphertext text   `json:"ciphertext"`
	HMAC       text   `json:"hmac"`
	Error      string `json:"error"`
}

// text is a JSON string kept as bytes, which unlike a string can be cleared.
type text []byte

func (t *text) UnmarshalText(raw []byte) error {
	*t = slices.Clone(raw)
	return nil
}

// task is one item on its way through a batch.
type task struct {
	item batchItem
	// read checks the answer to it, and takes out what was asked for.
	read func(batchResult) ([]byte, error)
	// unsent, if set, is why this item is not even sent.
	unsent string
}

// HMAC implements backend.Backend.
func (c *Client) HMAC(ctx context.Context, items []backend.HMACItem) ([]backend.Result, error) {
	byVersion := map[int][]int{} // indexes into items
	for i, item := range items {
		byVersion[item.Version] = append(byVersion[item.Version], i)
	}
	results := make([]backend.Result, len(items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(hmacRequests)
	for version, indexes := range byVersion {
		group.Go(func() error {
			tasks := make([]task, len(indexes))
			for i, index := range indexes {
				tasks[i] = c.hmacTask(items[index])
			}
			part, err := c.perform(ctx, opHMAC, version, tasks)
			if err != nil {
				return err
			}
			for i, index := range indexes {
				results[index] = part[i]
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return results, nil
}

func (c *Client) hmacTask(item backend.HMACItem) task {
	t := task{
		item: batchItem{Input: item.Input},
		read: func(r batchResult) ([]byte, error) {
			defer clear(r.HMAC)
			version, encoded, ok := transit.Split(r.HMAC)
			if !ok || version != item.Version {
				return nil, c.senseless(opHMAC, "an HMAC of another key version")
			}
			sum := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
			n, err := base64.StdEncoding.Decode(sum, encoded)
			if err != nil || n != hmacLength {
				return nil, c.senseless(opHMAC, "an HMAC that is not 32 bytes")
			}
			return sum[:n], nil
		},
	}
	switch {
	case item.Version < 1:
		t.unsent = "key versions count from 1" // 0 would mean the latest
	case len(item.Input) == 0:
		t.unsent = "nothing to compute an HMAC over"
	}
	return t
}

// Encrypt implements backend.Backend. It needs update on the path, not create,
// without which Vault cannot mistake it for a wish for a new key.
func (c *Client) Encrypt(ctx context.Context, items []backend.EncryptItem) ([]backend.Result, error) {
	tasks := make([]task, len(items))
	for i, item := range items {
		tasks[i] = c.encryptTask(item)
	}
	return c.perform(ctx, opEncrypt, 0, tasks)
}

func (c *Client) encryptTask(item backend.EncryptItem) task {
	t := task{
		item: batchItem{Plaintext: item.Plaintext, AssociatedData: item.AssociatedData, KeyVersion: item.Version},
		read: func(r batchResult) ([]byte, error) {
			// Only the ciphertext's own prefix tells: the key_version beside it
			// repeats the request.
			version, _, ok := transit.Split(r.Ciphertext)
			if !ok || version != item.Version {
				return nil, c.senseless(opEncrypt, "a ciphertext of another key version")
			}
			return r.Ciphertext, nil
		},
	}
	switch {
	case item.Version < 1:
		t.unsent = "key versions count from 1" // 0 would mean the latest
	case len(item.Plaintext) == 0:
		t.unsent = "empty plaintext"
	}
	return t
}

// Decrypt implements backend.Backend.
func (c *Client) Decrypt(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	if backend.NewConnection(ctx) {
		return c.decryptBatch(ctx, items) // shared with nobody
	}
	results, err := c.decrypts.do(ctx, items)
	if err != nil && ctx.Err() != nil {
		return nil, unanswered(c.describe(opDecrypt), ctx.Err())
	}
	return results, err
}

// decryptBatch decrypts what the gatherer has gathered.
func (c *Client) decryptBatch(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	tasks := make([]task, len(items))
	for i, item := range items {
		tasks[i] = c.decryptTask(item)
	}
	return c.perform(ctx, opDecrypt, 0, tasks)
}

func (c *Client) decryptTask(item backend.DecryptItem) task {
	t := task{
		item: batchItem{Ciphertext: string(item.Ciphertext), AssociatedData: item.AssociatedData},
		read: func(r batchResult) ([]byte, error) {
			if r.Plaintext == nil {
				return nil, c.senseless(opDecrypt, "neither a plaintext nor an error")
			}
			return r.Plaintext, nil
		},
	}
	// What is not even text would be changed on its way into JSON.
	if _, _, ok := transit.Split(item.Ciphertext); !ok || !isPrintable(item.Ciphertext) {
		t.unsent = "malformed ciphertext"
	}
	return t
}

// perform sends tasks in as few requests as the limits allow. keyVersion is
// that of an HMAC request, else 0.
func (c *Client) perform(ctx context.Context, op operation, keyVersion int, tasks []task) ([]backend.Result, error) {
	results := make([]backend.Result, len(tasks))
	var sent []int // indexes into tasks
	for i, t := range tasks {
		if t.unsent == "" && t.item.size() > maxItem {
			t.unsent = fmt.Sprintf("longer than the limit of %d bytes", maxItem)
		}
		if t.unsent != "" {
			results[i].Err = &backend.Error{Class: backend.Item, Op: c.describe(op), Reason: t.unsent}
			continue
		}
		sent = append(sent, i)
	}
	for len(sent) > 0 {
		n := fitting(len(sent), func(i int) int { return tasks[sent[i]].item.size() })
		part := make([]task, n)
		for i := range part {
			part[i] = tasks[sent[i]]
		}
		answers, err := c.split(ctx, op, keyVersion, part)
		if err != nil {
			return nil, err
		}
		for i, answer := range answers {
			results[sent[i]] = answer
		}
		sent = sent[n:]
	}
	return results, nil
}

// split sends tasks in one request. Where that fails as a whole over something
// that concerns items, it halves them until the bad ones stand alone: one bad
// item must not fail its neighbours, whatever form Vault's answer takes.
func (c *Client) split(ctx context.Context, op operation, keyVersion int, tasks []task) ([]backend.Result, error) {
	results, err := c.send(ctx, op, keyVersion, tasks)
	if err == nil {
		return results, nil
	}
	switch backend.ClassOf(err) {
	case backend.Item, backend.VersionRefusal, backend.Unsuitable:
	default:
		if !errors.Is(err, errUnclear) {
			return nil, err
		}
	}
	if len(tasks) == 1 {
		return []backend.Result{{Err: err}}, nil
	}
	half := len(tasks) / 2
	left, err := c.split(ctx, op, keyVersion, tasks[:half])
	if err != nil {
		return nil, err
	}
	right, err := c.split(ctx, op, keyVersion, tasks[half:])
	if err != nil {
		return nil, err
	}
	return append(left, right...), nil
}

// send makes one request and reads its results.
func (c *Client) send(ctx context.Context, op operation, keyVersion int, tasks []task) ([]backend.Result, error) {
	body := batchRequest{Input: make([]batchItem, len(tasks)), KeyVersion: keyVersion}
	for i, t := range tasks {
		body.Input[i] = t.item
	}
	path := c.keyPath(string(op))
	if op == opHMAC {
		path += "/sha2-256"
	} else {
		body.PartialFailureCode = http.StatusOK
	}
	if op == opDecrypt {
		c.obs.Batch(len(tasks))
	}
	a, err := c.requestKey(ctx, op, http.MethodPut, path, body)
	if err != nil {
		return nil, err
	}
	answers, err := parseBatch(a.data, len(tasks))
	clear(a.data)
	if err != nil {
		return nil, c.senseless(op, err.Error())
	}
	results := make([]backend.Result, len(tasks))
	for i, r := range answers {
		if r.Error != "" {
			m := classifyItem(op, a.status, r.Error)
			results[i].Err = m.failure(c.describe(op), errors.New(oneLine(r.Error)))
			continue
		}
		results[i].Data, results[i].Err = tasks[i].read(r)
	}
	return results, nil
}

// parseBatch reads the results of a batch of n items.
func parseBatch(raw json.RawMessage, n int) ([]batchResult, error) {
	var data struct {
		Results []batchResult `json:"batch_results"`
	}
	if err := json.Unmarshal(raw, &data); err != nil {
		return nil, errors.New("something that is no list of results")
	}
	if len(data.Results) != n {
		return nil, fmt.Errorf("%d results for %d items", len(data.Results), n)
	}
	return data.Results, nil
}

// senseless is the error for an answer that a working Vault does not give.
func (c *Client) senseless(op operation, what string) error {
	return &backend.Error{Class: backend.Outage, Op: c.describe(op), Reason: "Vault answered with " + what}
}

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
