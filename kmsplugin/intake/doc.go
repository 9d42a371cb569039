// Package intake bounds what the callers of an HTTP/2 server can make it hold in
// memory. A gRPC server bounds what one request of one connection may send; it
// bounds neither the connections, nor all requests together, nor what a caller
// leaves unread, nor what many small frames cost beside their bytes.
//
// The package reads frame headers (RFC 9113) in both directions, changes nothing,
// and refuses nothing that was read: where there is no room it reads no further,
// so that callers wait in their own socket. What is wrong with a frame is for the
// server to say.
package intake
