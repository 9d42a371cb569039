package vaultbackend

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

func TestWhatTheAnswerToABatchMeans(t *testing.T) {
	const items = `{"batch_results":[{"error":"%"},{"error":"%"}]}`
	batch := func(text string) []byte { return []byte(strings.ReplaceAll(items, "%", text)) }
	for _, row := range []struct {
		name    string
		op      client.Operation
		answer  client.Answer
		class   backend.Class // of the whole batch; 0 if its items are to be read
		decided bool          // or else client judges it
	}{
		{"unknown words", opDecrypt, client.Answer{Status: 400, Errors: []string{"something new"}}, 0, false},
		{"a batch that failed inside Vault, item by item", opDecrypt, client.Answer{Status: 500, Data: batch("storage is away")}, backend.Outage, true},
		{"a key of another type", opDecrypt, client.Answer{Status: 400, Errors: []string{"not supported for key type"}}, backend.Unsuitable, true},
		{"a batch of which no item authenticates, before 1.21", opDecrypt, client.Answer{Status: 500, Data: batch("cipher: message authentication failed")}, 0, true},
		{"a batch of which no item authenticates", opDecrypt, client.Answer{Status: 400, Data: batch("cipher: message authentication failed")}, 0, true},
		{"a version that is refused", opDecrypt, client.Answer{Status: 400, Data: batch("ciphertext or signature version is disallowed by policy (too old)")}, 0, true},
		{"a bad ciphertext", opDecrypt, client.Answer{Status: 400, Errors: []string{"invalid ciphertext"}}, backend.Item, true},
		{"a key that is gone, for a batch", opDecrypt, client.Answer{Status: 400, Errors: []string{"encryption key not found"}}, backend.Refusal, true},
		{"a key that is gone, with a status of 500", opDecrypt, client.Answer{Status: 500, Errors: []string{"encryption key not found"}}, 0, false},
		{"a soft-deleted key, item by item", opDecrypt, client.Answer{Status: 400, Data: batch("refusing to use soft-deleted key")}, backend.Refusal, true},
		{"a soft-deleted key, as a whole", opHMAC, client.Answer{Status: 400, Errors: []string{"refusing to use soft-deleted key"}}, backend.Refusal, true},
		{"a soft-deleted key, with a status of 500", opDecrypt, client.Answer{Status: 500, Data: batch("refusing to use soft-deleted key")}, backend.Outage, true},
		{"a DR secondary", opDecrypt, client.Answer{Status: 400, Errors: []string{"path disabled in replication DR secondary mode"}}, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, decided := judge(row.op, row.answer)
			if decided != row.decided || decided && m.Class != row.class {
				t.Errorf("got class %v, %v, want %v, %v", m.Class, decided, row.class, row.decided)
			}
		})
	}
}

// TestABatchThatFailsAsAWholeIsSplit needs a fake: Vault 1.21 always answers
// each item, but that is not promised, and older versions did not.
func TestABatchThatFailsAsAWholeIsSplit(t *testing.T) {
	for _, row := range []struct {
		words  string
		class  backend.Class // of the bad items
		reason string
	}{
		{"invalid ciphertext: no prefix", backend.Item, "malformed ciphertext"},
		{"something new", backend.Outage, "Vault gave an answer that is not understood, HTTP status 400"},
	} {
		t.Run(row.words, func(t *testing.T) {
			k := fakeVault(t, failsWhole(row.words))
			var items []backend.DecryptItem
			for i := range 21 {
				text := fmt.Sprintf("vault:v1:good%d", i)
				if i == 5 || i == 20 {
					text = fmt.Sprintf("vault:v1:bad%d", i)
				}
				items = append(items, backend.DecryptItem{Ciphertext: []byte(text)})
			}
			results, err := k.Decrypt(t.Context(), items)
			must(t, err)
			for i, r := range results {
				if i == 5 || i == 20 {
					failed(t, r.Err, row.class, row.reason)
				} else if string(r.Data) != "opened" {
					t.Errorf("item %d: %q, %v", i, r.Data, r.Err)
				}
			}
		})
	}
}

// TestAnAnswerThatDoesNotFitTheQuestionIsNotUsed needs a fake: a working Vault
// never answers so, but a node behind the others, or a proxy that mixes up two
// requests, could.
func TestAnAnswerThatDoesNotFitTheQuestionIsNotUsed(t *testing.T) {
	sum := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, row := range []struct{ name, op, answer, reason string }{
		{"a ciphertext of another version", "encrypt", `{"ciphertext":"vault:v2:AAAA","key_version":1}`, "Vault answered with a ciphertext of another key version"},
		{"no ciphertext", "encrypt", `{}`, "Vault answered with a ciphertext of another key version"},
		{"an HMAC of another version", "hmac", `{"hmac":"vault:v2:` + sum + `"}`, "Vault answered with an HMAC of another key version"},
		{"an HMAC of another length", "hmac", `{"hmac":"vault:v1:AAAA"}`, "Vault answered with an HMAC that is not 32 bytes"},
		{"an HMAC that is not base64", "hmac", `{"hmac":"vault:v1:????"}`, "Vault answered with an HMAC that is not 32 bytes"},
		{"no plaintext", "decrypt", `{}`, "Vault answered with neither a plaintext nor an error"},
		{"too many results", "decrypt", `{"plaintext":"cA=="},{"plaintext":"cA=="}`, "Vault answered with 2 results for 1 items"},
		{"no list of results", "decrypt", `7`, "Vault answered with something that is no list of results"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := fakeVault(t, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"data":{"batch_results":[%s]}}`, row.answer)
			})
			var results []backend.Result
			var err error
			switch row.op {
			case "encrypt":
				results, err = c.Encrypt(t.Context(), []backend.EncryptItem{{Version: 1, Plaintext: []byte("p")}})
			case "hmac":
				results, err = c.HMAC(t.Context(), []backend.HMACItem{{Version: 1, Input: []byte("x")}})
			default:
				results, err = c.Decrypt(t.Context(), []backend.DecryptItem{{Ciphertext: []byte("vault:v1:AAAA")}})
			}
			if err == nil {
				err = results[0].Err
			}
			failed(t, err, backend.Outage, row.reason)
		})
	}
}

// FuzzItems throws any answer that a server could send at all that reads the answers
// to batches and the description of a key: nothing may panic, and no failure inside
// Vault may be taken for a refusal.
func FuzzItems(f *testing.F) {
	f.Add(200, []byte(`{"batch_results":[{"plaintext":"cA=="}]}`), "")
	f.Add(200, []byte(`{"type":"aes256-gcm96","latest_version":1,"keys":{"1":1700000000}}`), "")
	f.Add(200, []byte(`{"type":"rsa-2048","latest_version":1,"keys":{"1":{"creation_time":"2026-01-01T00:00:00Z"}}}`), "")
	f.Add(400, []byte(nil), "encryption key not found")
	f.Add(500, []byte(nil), "cipher: message authentication failed")
	f.Fuzz(func(t *testing.T, status int, data []byte, text string) {
		a := client.Answer{Status: status, Data: data, Errors: []string{text}}
		for _, op := range []client.Operation{opHMAC, opEncrypt, opDecrypt} {
			m, decided := judge(op, a)
			if decided && m.Class != 0 && m.Reason == "" {
				t.Errorf("%s: class %v without a reason", op, m.Class)
			}
			if decided && destroys(m.Class) && status >= 500 {
				t.Errorf("%s: status %d is taken for a refusal", op, status)
			}
			if item := classifyItem(op, status, text); destroys(item.Class) && status >= 500 {
				t.Errorf("%s: an item with status %d is taken for a refusal", op, status)
			}
		}
		if key, err := parseKey(data); err == nil && key.Created[key.Latest].IsZero() {
			t.Error("a key without a time for its latest version")
		}
		_, _ = parseBatch(data, 1)
	})
}

func destroys(class backend.Class) bool {
	return class == backend.Refusal || class == backend.VersionRefusal || class == backend.Unsuitable
}
