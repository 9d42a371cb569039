package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// tokenFile uses a token that another program writes to a file.
type tokenFile struct {
	path    string
	request requester
	// read is the file as it was at the last login that succeeded.
	read fileStates
}

// login reads the file and has Vault confirm the token, which also tells how
// long it lives.
func (t *tokenFile) login(ctx context.Context) (grant, error) {
	const what = "use the Vault token file"
	seen := t.read.look()
	token, err := readCredential(t.path)
	if err != nil {
		return grant{}, unreadable(what, "token", err)
	}
	a, err := t.request(ctx, opLookup, token, http.MethodGet, PathLookupSelf, nil)
	if err != nil {
		return grant{}, err
	}
	var data struct {
		TTL        int64   `json:"ttl"`
		ExpireTime *string `json:"expire_time"`
		Renewable  bool    `json:"renewable"`
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		return grant{}, &backend.Error{
			Class: backend.Outage, Op: what, Reason: "Vault's answer is not understood",
			Err: errors.New("lookup-self returned no data"),
		}
	}
	ttl := max(data.TTL, 0)
	if ttl == 0 && data.ExpireTime != nil {
		ttl = 1 // less than a second left is not "never"
	}
	t.read.set(seen)
	return grant{token: token, ttl: time.Duration(ttl) * time.Second, renewable: data.Renewable, lookedUp: true}, nil
}

func (t *tokenFile) stale() bool { return t.read.changed() }
