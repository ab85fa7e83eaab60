// Functions that the library calls: they get here through C, and no panic gets further.

package cae

// #include <stdint.h>
// #include <cae/cae.h>
import "C"

import "runtime/cgo"

// catcher keeps what a function panicked with until the call that it was called from has returned.
type catcher struct {
	panicked bool
	value    any
}

func (c *catcher) protect(f func()) {
	defer func() {
		if value := recover(); value != nil {
			c.panicked, c.value = true, value
		}
	}()
	f()
}

func (c *catcher) resume() {
	if c.panicked {
		value := c.value
		*c = catcher{}
		panic(value)
	}
}

// logger is a context's log function.
type logger struct {
	catcher
	call func(LogLevel, string)
}

func (l *logger) resume() {
	if l != nil {
		l.catcher.resume()
	}
}

func (l *logger) hear(level LogLevel, text string) {
	l.protect(func() { l.call(level, text) })
}

// stepper is the step function of one call of Trainer.Epoch.
type stepper struct {
	catcher
	call func(Progress) error
	err  error
}

func (s *stepper) step(progress Progress) (stop bool) {
	s.protect(func() { s.err = s.call(progress) })
	return s.panicked || s.err != nil
}

//export caeGoLog
func caeGoLog(user C.uintptr_t, level C.int32_t, text *C.char) {
	cgo.Handle(user).Value().(*logger).hear(LogLevel(level), C.GoString(text))
}

//export caeGoStep
func caeGoStep(user C.uintptr_t, progress *C.cae_progress) C.int32_t {
	return cBool(cgo.Handle(user).Value().(*stepper).step(progressOf(progress)))
}
