package backend

import "context"

type callerKey struct{}

// WithCaller returns a context that carries the uid of the API server's request,
// so that a request to the key store can name what it is made for.
func WithCaller(ctx context.Context, uid string) context.Context {
	return context.WithValue(ctx, callerKey{}, uid)
}

// Caller returns the uid that WithCaller put into the context; empty if none.
func Caller(ctx context.Context) string {
	uid, _ := ctx.Value(callerKey{}).(string)
	return uid
}

type newConnectionKey struct{}

// WithNewConnection returns a context whose requests must not reuse a connection
// to the key store: a second opinion over the same connection is the first one
// again where that leads to the wrong place.
func WithNewConnection(ctx context.Context) context.Context {
	return context.WithValue(ctx, newConnectionKey{}, true)
}

// NewConnection reports whether WithNewConnection made the context.
func NewConnection(ctx context.Context) bool { return ctx.Value(newConnectionKey{}) != nil }
