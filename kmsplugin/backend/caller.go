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
