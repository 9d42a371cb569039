package vaultbackend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// This file alone knows what Transit says of the items of a batch.

const missingReason = "encryption key not found"

// judge says what the answer to a batch means, for client.Request: with results for
// its items, or with an error that is about one of them.
func judge(op client.Operation, a client.Answer) (client.Meaning, bool) {
	if a.Data != nil {
		// With any status: where every item failed it is 400 or 500, and
		// partial_failure_response_code has no effect.
		return classifyItems(op, a), true
	}
	m := classifyItem(op, a.Status, strings.Join(a.Errors, "\n"))
	known := a.Status == http.StatusBadRequest && !errors.Is(m.Mark, client.ErrUnclear)
	return m, known || errors.Is(m.Mark, backend.ErrAuthentication)
}

// classifyItems says what the errors of a batch's items mean for all of it: the
// key is refused (OpenBao refuses a soft-deleted key item by item), or this node
// serves no item. All other errors are for the items themselves.
func classifyItems(op client.Operation, a client.Answer) client.Meaning {
	if !bytes.Contains(a.Data, []byte(`"error"`)) { // the rest is base64 and numbers
		return client.Meaning{}
	}
	var data struct {
		Results []struct {
			Error string `json:"error"`
		} `json:"batch_results"`
	}
	_ = json.Unmarshal(a.Data, &data) // else parseBatch will say what is wrong
	var whole client.Meaning
	outages := 0
	for _, r := range data.Results {
		if r.Error == "" {
			continue
		}
		switch m := classifyItem(op, a.Status, r.Error); m.Class {
		case backend.Refusal:
			return m
		case backend.Outage:
			whole = m
			outages++
		}
	}
	if outages < len(data.Results) {
		return client.Meaning{}
	}
	return whole
}

// classifyItem says what Transit's error text for one item means. Unknown words
// prove nothing about anything but this item; they are marked client.ErrUnclear.
//
// VersionRefusal is kept for a version that Vault no longer decrypts with. A
// version below min_encryption_version is an Item's fault: it may not protect
// anything new, but this process may still open what it protects, so nothing that
// is held for it may be dropped.
func classifyItem(op client.Operation, status int, text string) client.Meaning {
	says := func(words string) bool { return strings.Contains(text, words) }
	mean := func(class backend.Class, reason string) client.Meaning {
		return client.Meaning{Class: class, Reason: reason}
	}
	switch {
	case says("message authentication failed"):
		// With any status: Vault before 1.21 says so with a 500.
		return client.Meaning{
			Class: backend.Item, Mark: backend.ErrAuthentication,
			Reason: "authentication failed: the ciphertext or its associated data was changed, or another key wrote it",
		}
	case status >= http.StatusInternalServerError:
		return mean(backend.Outage, fmt.Sprintf("Vault failed with HTTP status %d", status))

	case says("encryption key not found"):
		return mean(backend.Refusal, missingReason)
	case says("soft-deleted key"): // OpenBao
		return mean(backend.Refusal, "the key is soft-deleted")

	case says("disallowed by policy (too old)"), // decrypt
		// What hmac and encrypt say of a version that is no longer in the
		// keyring, because it is below min_decryption_version.
		says("no such key version"):
		return mean(backend.VersionRefusal, "this key version is below min_decryption_version")

	case says("version is too old (disallowed by policy)"), // hmac
		says("less than the minimum encryption key version"): // encrypt
		return mean(backend.Item, "this key version is below min_encryption_version")
	case says("version is too new"), // decrypt
		says("higher than the latest key version"), // encrypt
		says("key version does not exist"):         // hmac
		return mean(backend.Item, "this key version does not exist yet")
	case says("invalid ciphertext"), says("missing ciphertext"):
		return mean(backend.Item, "malformed ciphertext")

	case says("no HMAC key exists"):
		return mean(backend.Unsuitable, "this key version was imported and has no HMAC key")
	case says("not supported for key type"), says("non-AEAD cipher suite"):
		return mean(backend.Unsuitable, "a key of this type cannot serve")

	case op == opDecrypt:
		return client.Meaning{Class: backend.Item, Reason: "Vault cannot decrypt this ciphertext", Mark: client.ErrUnclear}
	default:
		return client.Meaning{Class: backend.Item, Reason: "Vault refuses this request", Mark: client.ErrUnclear}
	}
}
