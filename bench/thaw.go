package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/paddock-run/paddock/internal/function"
	"github.com/paddock-run/paddock/internal/invoke"
)

// thawPause is between two invocations: long enough that the environment of the
// one side is frozen.
const thawPause = 10 * time.Millisecond

// thaw measures what a thaw adds to an invocation: environments that are frozen
// after each, and others that never are, in turn.
func (b *bench) thaw() (err error) {
	echoes, err := b.echoes()
	if err != nil {
		return err
	}
	var invokers []*invoke.Invoker
	for _, after := range []time.Duration{time.Millisecond, time.Hour} {
		i, stop, err := b.invoker(func(o *invoke.Options) { o.FreezeAfter = after })
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		invokers = append(invokers, i)
	}
	fmt.Printf("\n| invocation after a pause, in process (%s) | frozen, p50 | never frozen, p50 | difference |\n|---|---|---|---|\n", b.sandbox)
	for _, e := range echoes {
		v, err := e.version(b.dir)
		if err != nil {
			return err
		}
		var took [2][]time.Duration
		for n := range 40*b.rounds + 5 {
			for side, i := range invokers {
				d, err := after(thawPause, i, v)
				if err != nil {
					return err
				}
				if n >= 5 {
					took[side] = append(took[side], d)
				}
			}
		}
		frozen, never := median(took[0]), median(took[1])
		fmt.Printf("| %s | %s | %s | %s |\n", e.name, ms(frozen), ms(never), ms(frozen-never))
	}
	return nil
}

func after(pause time.Duration, i *invoke.Invoker, v *function.Version) (time.Duration, error) {
	time.Sleep(pause)
	began := time.Now()
	err := call(i, v, []byte(`{}`))
	return time.Since(began), err
}
