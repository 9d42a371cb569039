package vaultbackend

import (
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

func TestWhatADescriptionOfAKeyMustSay(t *testing.T) {
	const sane = `{"type":"aes256-gcm96","latest_version":2,"keys":{"2":KEY}}`
	created := time.Unix(1700000000, 0).UTC()
	for _, row := range []struct {
		name, data string
		class      backend.Class // 0: it serves
		reason     string
	}{
		{"seconds", strings.Replace(sane, "KEY", "1700000000", 1), 0, ""},
		{"a time, of which the fraction is dropped", strings.Replace(sane, "KEY", `{"creation_time":"2023-11-14T22:13:20.9Z"}`, 1), 0, ""},
		{"no time", strings.Replace(sane, "KEY", `{}`, 1), backend.Outage, "Vault answered with key versions that make no sense"},
		{"a time before 1970", strings.Replace(sane, "KEY", `-1`, 1), backend.Outage, "Vault answered with key versions that make no sense"},
		{"no number of a version", `{"type":"aes256-gcm96","latest_version":1,"keys":{"one":1700000000}}`, backend.Outage, "Vault answered with key versions that make no sense"},
		{"no latest version", `{"type":"aes256-gcm96","latest_version":3,"keys":{"2":1700000000}}`, backend.Outage, "Vault answered with key versions that make no sense"},
		{"no description", `[]`, backend.Outage, "Vault answered with something that is no description of a key"},
	} {
		t.Run(row.name, func(t *testing.T) {
			key, bad := parseKey([]byte(row.data))
			if row.class != 0 {
				failed(t, bad, row.class, row.reason)
				return
			}
			if bad != nil || !key.Created[2].Equal(created) {
				t.Errorf("got %+v, %v", key, bad)
			}
		})
	}
}
