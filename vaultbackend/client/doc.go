// Package client makes requests to HashiCorp Vault or OpenBao: it connects to the
// nodes of a cluster, asks another node where one does not serve, logs in, keeps the
// token alive, and says what each answer means. It needs no Transit key.
//
// Three kinds of failure are kept apart, because the plugin acts on them so
// differently (backend.Class): Vault could not answer (Outage), Vault did not accept
// the login (Credentials), and Vault, asked with a token known to be accepted,
// refuses the request (Refusal). Only classify.go judges HTTP statuses and Vault's
// words; noanswer.go says why there was no answer.
//
// Tokens, secret-ids, request bodies and answers never appear in its errors and logs.
package client
