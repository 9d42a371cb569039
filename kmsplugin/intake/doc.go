// Package intake limits the memory that callers of an HTTP/2 server can use. A gRPC
// server limits the size of one request. It does not limit the number of connections,
// all requests together, answers that a caller does not read, or the overhead of many
// small frames.
//
// The package reads frame headers (RFC 9113) in both directions. It changes nothing
// and refuses nothing that was read: at the limit it stops reading, so that callers
// wait in their own socket. Invalid frames are left to the server.
package intake
