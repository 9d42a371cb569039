package client

import "testing"

func TestCloseMayBeCalledTwiceAndWaitsForActiveRequests(t *testing.T) {
	var g drainGroup
	for range 2 {
		if !g.enter() {
			t.Fatal("no request is admitted")
		}
	}
	g.leave()
	first, second := g.close(), g.close()
	select {
	case <-first:
		t.Error("a request is still active")
	default:
	}
	if g.enter() {
		t.Error("one more was admitted")
	}
	g.leave()
	<-first
	<-second
}
