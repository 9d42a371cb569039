package vaultbackend

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
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
func (k *Key) HMAC(ctx context.Context, items []backend.HMACItem) ([]backend.Result, error) {
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
				tasks[i] = k.hmacTask(items[index])
			}
			part, err := k.perform(opHMAC, tasks, k.inTurn(ctx, opHMAC, version))
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

func (k *Key) hmacTask(item backend.HMACItem) task {
	t := task{
		item: batchItem{Input: item.Input},
		read: func(r batchResult) ([]byte, error) {
			defer clear(r.HMAC)
			version, encoded, ok := transit.Split(r.HMAC)
			if !ok || version != item.Version {
				return nil, k.senseless(opHMAC, "an HMAC of another key version")
			}
			sum := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
			n, err := base64.StdEncoding.Decode(sum, encoded)
			if err != nil || n != hmacLength {
				return nil, k.senseless(opHMAC, "an HMAC that is not 32 bytes")
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
func (k *Key) Encrypt(ctx context.Context, items []backend.EncryptItem) ([]backend.Result, error) {
	tasks := make([]task, len(items))
	for i, item := range items {
		tasks[i] = k.encryptTask(item)
	}
	return k.perform(opEncrypt, tasks, k.inTurn(ctx, opEncrypt, 0))
}

func (k *Key) encryptTask(item backend.EncryptItem) task {
	t := task{
		item: batchItem{Plaintext: item.Plaintext, AssociatedData: item.AssociatedData, KeyVersion: item.Version},
		read: func(r batchResult) ([]byte, error) {
			// Only the ciphertext's own prefix tells: the key_version beside it
			// repeats the request.
			version, _, ok := transit.Split(r.Ciphertext)
			if !ok || version != item.Version {
				return nil, k.senseless(opEncrypt, "a ciphertext of another key version")
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

// Decrypt implements backend.Backend. Callers share requests, except for one that
// wants a new connection.
func (k *Key) Decrypt(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	tasks := make([]task, len(items))
	for i, item := range items {
		tasks[i] = k.decryptTask(item)
	}
	if backend.NewConnection(ctx) {
		return k.perform(opDecrypt, tasks, k.inTurn(ctx, opDecrypt, 0))
	}
	results, err := k.perform(opDecrypt, tasks, func(tasks []task) ([]backend.Result, error) { return k.decrypts.do(ctx, tasks) })
	if err != nil && ctx.Err() != nil {
		return nil, client.Unanswered(k.cfg.describe(opDecrypt), ctx.Err())
	}
	return results, err
}

func (k *Key) decryptTask(item backend.DecryptItem) task {
	t := task{
		item: batchItem{Ciphertext: string(item.Ciphertext), AssociatedData: item.AssociatedData},
		read: func(r batchResult) ([]byte, error) {
			if r.Plaintext == nil {
				return nil, k.senseless(opDecrypt, "neither a plaintext nor an error")
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

// perform has the tasks sent that can be sent, and returns one result a task.
func (k *Key) perform(op client.Operation, tasks []task, send func([]task) ([]backend.Result, error)) ([]backend.Result, error) {
	results := make([]backend.Result, len(tasks))
	sent := make([]task, 0, len(tasks))
	indexes := make([]int, 0, len(tasks)) // of sent, in tasks
	for i, t := range tasks {
		if t.unsent == "" && t.item.size() > maxItem {
			t.unsent = fmt.Sprintf("longer than the limit of %d bytes", maxItem)
		}
		if t.unsent != "" {
			results[i].Err = &backend.Error{Class: backend.Item, Op: k.cfg.describe(op), Reason: t.unsent}
			continue
		}
		sent, indexes = append(sent, t), append(indexes, i)
	}
	answers, err := send(sent)
	if err != nil {
		return nil, err
	}
	for i, answer := range answers {
		results[indexes[i]] = answer
	}
	return results, nil
}

// inTurn sends tasks one request after another, in as few as the limits allow.
// keyVersion is that of an HMAC request, else 0.
func (k *Key) inTurn(ctx context.Context, op client.Operation, keyVersion int) func([]task) ([]backend.Result, error) {
	return func(tasks []task) (results []backend.Result, err error) {
		for len(tasks) > 0 {
			n := fitting(len(tasks), func(i int) int { return tasks[i].item.size() })
			answers, err := k.split(ctx, op, keyVersion, tasks[:n])
			if err != nil {
				return nil, err
			}
			results, tasks = append(results, answers...), tasks[n:]
		}
		return results, nil
	}
}

// split sends tasks in one request. Where that fails as a whole over something
// that concerns items, it halves them until the bad ones stand alone: one bad
// item must not fail its neighbours, whatever form Vault's answer takes.
func (k *Key) split(ctx context.Context, op client.Operation, keyVersion int, tasks []task) ([]backend.Result, error) {
	results, err := k.send(ctx, op, keyVersion, tasks)
	if err == nil {
		return results, nil
	}
	switch backend.ClassOf(err) {
	case backend.Item, backend.VersionRefusal, backend.Unsuitable:
	default:
		if !errors.Is(err, client.ErrUnclear) {
			return nil, err
		}
	}
	if len(tasks) == 1 {
		return []backend.Result{{Err: err}}, nil
	}
	half := len(tasks) / 2
	left, err := k.split(ctx, op, keyVersion, tasks[:half])
	if err != nil {
		return nil, err
	}
	right, err := k.split(ctx, op, keyVersion, tasks[half:])
	if err != nil {
		return nil, err
	}
	return append(left, right...), nil
}

// send makes one request and reads its results.
func (k *Key) send(ctx context.Context, op client.Operation, keyVersion int, tasks []task) ([]backend.Result, error) {
	body := batchRequest{Input: make([]batchItem, len(tasks)), KeyVersion: keyVersion}
	for i, t := range tasks {
		body.Input[i] = t.item
	}
	path := k.cfg.keyPath(string(op))
	if op == opHMAC {
		path += "/sha2-256"
	} else {
		body.PartialFailureCode = http.StatusOK
	}
	if op == opDecrypt {
		k.onBatch(len(tasks))
	}
	a, err := k.vault.Do(ctx, client.Request{
		Op: op, What: k.cfg.describe(op), Method: http.MethodPut, Path: path, Body: body, Header: uidHeaders(ctx),
		Confirm: true, Judge: func(a client.Answer) (client.Meaning, bool) { return judge(op, a) },
	})
	if err != nil {
		return nil, err
	}
	answers, err := parseBatch(a.Data, len(tasks))
	clear(a.Data)
	if err != nil {
		return nil, k.senseless(op, err.Error())
	}
	results := make([]backend.Result, len(tasks))
	for i, r := range answers {
		if r.Error != "" {
			m := classifyItem(op, a.Status, r.Error)
			results[i].Err = m.Failure(k.cfg.describe(op), errors.New(client.OneLine(r.Error)))
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
func (k *Key) senseless(op client.Operation, what string) error {
	return &backend.Error{Class: backend.Outage, Op: k.cfg.describe(op), Reason: "Vault answered with " + what}
}

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
