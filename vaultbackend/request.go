package vaultbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

const (
	// maxItems is how many items go into one request. Vault's own limit is
	// 10,000 array elements; 256 keep one request to a few milliseconds.
	maxItems = 256
	// maxBody bounds the JSON of one request, far below Vault's 32 MiB.
	maxBody = 1 << 20
	// maxItem bounds one item. The API server bounds what it stores of a
	// plugin to 1 KiB of ciphertext and 32 KiB of annotations.
	maxItem = 128 << 10
)

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

// size estimates what an item takes in JSON, in bytes.
func (i batchItem) size() int {
	return 64 + len(i.Ciphertext) + (len(i.Input)+len(i.Plaintext)+len(i.AssociatedData))*4/3
}

// fitting returns how many of n items go into one request, at least one.
func fitting(n int, size func(i int) int) int {
	total := 0
	for i := range min(n, maxItems) {
		if total += size(i); total > maxBody && i > 0 {
			return i
		}
	}
	return min(n, maxItems)
}

// task is one item on its way through a batch.
type task struct {
	item batchItem
	// read checks the answer to it, and takes out what was asked for.
	read func(batchResult) ([]byte, error)
	// unsent, if set, is why this item is not even sent.
	unsent string
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
