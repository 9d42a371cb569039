package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func apiServerOracles() map[string]oracle[*liveAPIServer] {
	return map[string]oracle[*liveAPIServer]{
		"EA-421": everyEtcdByTLS,
		"EA-422": everyEtcdScanned,
		"EA-423": storesEncrypted,
		"EA-424": onDiskIsInForce,
		"EA-425": rightsOfUser,
		"EA-426": apiServerTLS,
		"EA-427": anonymousRequests,
		"EA-428": tokenOfFile,
		"EA-429": bodiesInAuditLog,
	}
}

// everyEtcdByTLS: does an etcd that speaks plaintext hold keys of this API server? The other
// one of the case answers in TLS only.
func everyEtcdByTLS(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	if l.vars["events"] == "" {
		return good, "the only etcd that runs refuses plaintext", nil
	}
	n, err := l.keysInEvents(ctx, "/")
	if n > 0 || err != nil {
		return bad, fmt.Sprintf("clientv3 reads %d of its keys in plaintext", n), err
	}
	return good, "the etcd that speaks plaintext holds none of its keys", nil
}

// keysInEvents counts the API server's keys in the other etcd.
func (l *liveAPIServer) keysInEvents(ctx context.Context, under string) (int64, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{at("http", l.vars["events"])}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }()
	got, err := client.Get(ctx, l.prefix+under, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return got.Count, nil
}

// everyEtcdScanned: is every etcd that holds keys of this API server among those that the
// auditor reads?
func everyEtcdScanned(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	if l.vars["events"] == "" {
		return absent, "there is one etcd", nil
	}
	all, err := l.keysInEvents(ctx, "/")
	if err != nil {
		return 0, "", err
	}
	secrets, err := l.keysInEvents(ctx, "/secrets/")
	said := fmt.Sprintf("clientv3 counts %d keys in the other etcd, %d of Secrets; the auditor reads %q", all, secrets, l.Case.APIServer.Scanned)
	switch {
	case err != nil:
		return 0, "", err
	case all == 0:
		return absent, said, nil
	case slices.Contains(l.Case.APIServer.Scanned, "events"):
		return good, said, nil
	case secrets == 0 && len(l.Case.APIServer.Scanned) == 0:
		return unclear, said, nil
	}
	return bad, said, nil
}

// storesEncrypted: is a Secret that it has written encrypted in etcd?
func storesEncrypted(_ context.Context, l *liveAPIServer) (opinion, string, error) {
	switch {
	case bytes.HasPrefix(l.stored, []byte("k8s:enc:")):
		return good, fmt.Sprintf("in etcd its Secret begins with %.20q", l.stored), nil
	case bytes.Contains(l.stored, []byte(secretValue)):
		return bad, "in etcd its Secret is plaintext", nil
	}
	return 0, "", errors.New("the Secret is not in etcd")
}

// onDiskIsInForce: is the hash that its metrics show that of the file?
func onDiskIsInForce(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	if l.encryptionFile() == "" {
		return absent, "it has no EncryptionConfiguration", nil
	}
	if l.Case.APIServer.WithoutMetrics {
		return unclear, "no metrics are given", nil
	}
	text, err := l.metrics(ctx)
	if err != nil {
		return 0, "", err
	}
	file, err := os.ReadFile(l.encryptionFile())
	if err != nil {
		return 0, "", err
	}
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256(file))
	if bytes.Contains(text, []byte(hash)) {
		return good, "its metrics show the file's " + hash[:19], nil
	}
	if !bytes.Contains(text, []byte("last_config_info")) {
		return unclear, "its metrics show no hash", nil
	}
	return bad, "its metrics show another hash than the file's " + hash[:19], nil
}

func apiServerTLS(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	for _, o := range [][]string{
		{"-tls1", "-cipher", everySuite}, {"-tls1_1", "-cipher", everySuite},
		{"-tls1_2", "-cipher", "aNULL:eNULL:kRSA:@SECLEVEL=0"},
	} {
		got := l.openssl(ctx, l.address(), o...)
		if got.err != nil {
			return 0, "", got.err
		}
		if got.let {
			return bad, "openssl completes a handshake with " + strings.Join(o, " "), nil
		}
	}
	if got := l.suites(ctx, l.address(), "", goSuites("RC4", "3DES")); got.let || got.err != nil {
		return bad, got.said, got.err
	}
	if got := l.openssl(ctx, l.address()); !got.let {
		return 0, "", fmt.Errorf("openssl completes no handshake: %s", got.said)
	}
	return good, "no client completes a weak handshake", nil
}

// anonymousRequests: is a request without credentials taken, and so refused by RBAC (403), or
// not even taken (401)?
func anonymousRequests(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	return taken(l.asked(ctx, "/api/v1/namespaces"))
}

// rightsOfUser: may a user to whom nothing was granted list Secrets? The token of tokens.csv
// is one.
func rightsOfUser(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	got := l.asked(ctx, "/api/v1/secrets", "--header", "Authorization: Bearer corpus-token")
	switch {
	case got.err != nil:
		return 0, "", got.err
	case strings.HasSuffix(got.said, " 403"):
		return good, got.said, nil
	case strings.HasSuffix(got.said, " 200"):
		return bad, got.said, nil
	}
	return 0, "", errors.New(got.said)
}

// tokenOfFile: is the token of tokens.csv taken?
func tokenOfFile(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	return taken(l.asked(ctx, "/api/v1/namespaces", "--header", "Authorization: Bearer corpus-token"))
}

// asked gets a path with curl. What an API server says that is too busy (429), or waits for
// etcd in vain (5xx), is about no caller.
func (l *liveAPIServer) asked(ctx context.Context, path string, options ...string) answer {
	return l.once("asked "+path+strings.Join(options, " "), func() answer {
		got := l.get(ctx, l.URL+path, "", options...)
		if status, ok := strings.CutPrefix(got.said, "curl gets HTTP "); ok && (status == "429" || status >= "500") {
			got.err = errors.New(got.said)
		}
		return got
	})
}

func taken(got answer) (opinion, string, error) {
	switch {
	case got.err != nil:
		return 0, "", got.err
	case strings.HasSuffix(got.said, " 401"):
		return good, got.said, nil
	case got.let:
		return bad, got.said, nil
	}
	return 0, "", errors.New(got.said)
}

// bodiesInAuditLog: is the Secret that was written in the audit log?
func bodiesInAuditLog(ctx context.Context, l *liveAPIServer) (opinion, string, error) {
	path := l.flag("audit-log-path")
	if path == "" {
		return absent, "it has no audit log", nil
	}
	var log []byte
	err := l.Until(ctx, "log that the Secret was created", func(context.Context) (err error) {
		log, err = os.ReadFile(path) //nolint:gosec // of the case
		if err == nil && !createdSecret.Match(log) {
			err = errors.New("no such request is in the audit log")
		}
		return err
	})
	switch {
	case err != nil:
		return 0, "", err
	case bytes.Contains(log, []byte(base64.StdEncoding.EncodeToString([]byte(secretValue)))), bytes.Contains(log, []byte(secretValue)):
		return bad, "the Secret is in its audit log", nil
	}
	return good, "the request is in its audit log, the Secret is not", nil
}

// createdSecret is the last of the events of a request, whose contents come before and after it
// in its line.
var createdSecret = regexp.MustCompile(`"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/secrets[?"].*\n`)
