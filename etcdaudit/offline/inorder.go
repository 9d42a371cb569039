package offline

import (
	"context"
	"runtime"
	"sync"
)

// job is one item of inOrder, and what became of it.
type job[T any] struct {
	item T
	done chan error
}

// inOrder has every item that produce puts worked on, on all processors, and gives the items to
// use one after the other, in the order in which they were put. So what use makes of them does
// not depend on the number of processors. use is called in the calling goroutine, the others in
// goroutines that have ended when inOrder returns. Two items for each processor, and two more,
// are in memory at most. The first error ends all of it, in the order of the items; what was put
// before it is used.
func inOrder[T any](ctx context.Context, produce func(ctx context.Context, put func(T) error) error, work func(context.Context, T) error, use func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	todo, order := make(chan job[T]), make(chan job[T], workers)
	var all sync.WaitGroup
	var produced error
	all.Go(func() {
		defer close(order)
		defer close(todo)
		produced = produce(ctx, func(item T) error {
			j := job[T]{item, make(chan error, 1)}
			for _, to := range []chan job[T]{order, todo} {
				select {
				case to <- j:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
	})
	for range workers {
		all.Go(func() {
			for j := range todo {
				j.done <- work(ctx, j.item)
			}
		})
	}
	err := useAll(ctx, order, use)
	cancel()
	all.Wait()
	if err != nil {
		return err
	}
	return produced
}

func useAll[T any](ctx context.Context, order chan job[T], use func(T) error) error {
	for j := range order {
		select {
		case err := <-j.done:
			if err != nil {
				return err
			}
		case <-ctx.Done(): // it may never have been worked on
			return context.Cause(ctx)
		}
		if err := use(j.item); err != nil {
			return err
		}
	}
	return nil
}
