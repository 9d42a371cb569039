package hostconfig

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// kubeconfig is what matters here of one (client-go, tools/clientcmd/api/v1).
type kubeconfig struct {
	Kind  string           `json:"kind"`
	Users []kubeconfigUser `json:"users"`
}

type kubeconfigUser struct {
	User struct {
		Cert         string         `json:"client-certificate-data"` // PEM, in base64
		Key          string         `json:"client-key-data"`
		Token        string         `json:"token"`
		Password     string         `json:"password"`
		AuthProvider map[string]any `json:"auth-provider"`
	} `json:"user"`
}

// parseKubeconfig reads a kubeconfig, in YAML or JSON. ok is false for another file. It fails only
// for one that is too large to be parsed.
func parseKubeconfig(text []byte) (k kubeconfig, ok bool, err error) {
	if !bytes.Contains(text, []byte("users")) {
		return k, false, nil // most files
	}
	err = boundedyaml.Unmarshal(text, &k)
	if _, large := errors.AsType[boundedyaml.TooLargeError](err); large {
		return k, false, err
	}
	// kubectl takes one without its kind.
	ok = k.Kind == "Config" || k.Kind == "" && slices.ContainsFunc(k.Users, func(u kubeconfigUser) bool {
		return u.secret() || u.User.Cert != ""
	})
	if !ok || err != nil {
		return kubeconfig{}, false, nil //nolint:nilerr // what does not parse is no kubeconfig
	}
	return k, true, nil
}

// secret reports whether something stands in it with which the user is let in.
func (u kubeconfigUser) secret() bool {
	return u.User.Token != "" || u.User.Password != "" || len(u.User.AuthProvider) > 0 || len(decoded(u.User.Key)) > 0
}

// decoded is the text in base64; nil if it is none.
func decoded(data string) []byte {
	text, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil
	}
	return text
}
