// What every handle shares: how it is used, and how it is given back.

package cae

// #include <stdlib.h>
// #include <cae/cae.h>
import "C"

import (
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"
)

// core is a context as all handles made from it see it. The library keeps it alive for them.
type core struct {
	context *C.cae_context
	log     *logger
	shared  []*resource // what the log needs
}

// failure is the error of a status, and where a panic of the log function's goes on.
func (c *core) failure(status C.cae_status) error {
	c.log.resume()
	if status >= C.CAE_OK {
		return nil
	}
	return &Error{Status(status), C.GoString(C.cae_context_error(c.context))}
}

// handle is embedded in every type that stands for one of the library's.
type handle struct {
	core    *core
	pointer unsafe.Pointer // nil once closed
	ending  *ending
	cleanup runtime.Cleanup
}

// ending is all that is left to do for a handle; it must not lead back to it.
type ending struct {
	destroy   func()
	resources []*resource
}

func (e *ending) run() {
	e.destroy()
	for _, r := range e.resources {
		r.letGo()
	}
}

// open takes over what a create call made; destroy gives it back, when resources are still there.
func (h *handle) open(c *core, pointer unsafe.Pointer, destroy func(), resources ...*resource) {
	h.core, h.pointer = c, pointer
	h.ending = &ending{destroy, append(resources[:len(resources):len(resources)], c.shared...)}
	for _, r := range h.ending.resources {
		r.keep()
	}
	h.cleanup = runtime.AddCleanup(h, (*ending).run, h.ending)
}

// Close gives the handle back. Closing twice is harmless.
func (h *handle) Close() error {
	if h.pointer != nil {
		h.cleanup.Stop()
		h.pointer = nil
		h.ending.run()
	}
	return nil
}

// resources are what a handle that is made from this one has to keep too.
func (h *handle) resources() []*resource {
	if h.pointer == nil {
		return nil
	}
	return h.ending.resources
}

// call makes a call with handles that have to be open and stay alive meanwhile. The error's text is in the
// context of the first.
func call(c func() C.cae_status, handles ...*handle) error {
	for _, h := range handles {
		if h.pointer == nil {
			return ErrClosed
		}
	}
	err := handles[0].core.failure(c())
	for _, h := range handles {
		runtime.KeepAlive(h)
	}
	return err
}

// resource is something of Go's that C may look at as long as any of several handles lives, such as pinned
// memory. The last one that lets go releases it; that may be the garbage collector's goroutine.
type resource struct {
	users   atomic.Int32
	release func()
}

func (r *resource) keep() { r.users.Add(1) }

func (r *resource) letGo() {
	if r.users.Add(-1) == 0 {
		r.release()
	}
}

// cText is a copy for C, to be freed; a zero byte would cut it short.
func cText(text, what string) (*C.char, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, &Error{ErrArgument, what + " has a zero byte in it"}
	}
	return C.CString(text), nil
}

func free(text *C.char) { C.free(unsafe.Pointer(text)) }

// c32 is a number as the library counts. What does not fit is beyond every limit, as is what it becomes.
func c32(n int) C.int32_t {
	return C.int32_t(max(math.MinInt32, min(n, math.MaxInt32)))
}

func cBool(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}

// floats is where a slice's values are; C sees no more of them than their count.
func floats(values []float32) (*C.float, C.size_t) {
	return (*C.float)(unsafe.SliceData(values)), C.size_t(len(values))
}

// countOf is the number of images that the library is told. A remainder, or less than one image, is its error.
func countOf(values int, extents ...int) C.int64_t {
	return C.int64_t(max(imagesIn(values, extents...), min(values, 1)))
}

// imagesIn says how many whole images of an extent there are.
func imagesIn(values int, extents ...int) int {
	length := 1
	for _, n := range extents {
		if n <= 0 || length > math.MaxInt/n {
			return 0
		}
		length *= n
	}
	return values / length
}
