// The context: threads, instruction set, log, and the text of the last error.

package cae

/*
#include <stdint.h>
#include <cae/cae.h>

extern void caeGoLog(uintptr_t user, int32_t level, char *text);

static void cae_go_log(void *user, int32_t level, const char *text)
{
    caeGoLog((uintptr_t)user, level, (char *)text);
}

// `log` is the handle of a function, 0 for none.
static cae_status cae_go_context_create(cae_context **out, cae_context_options *options, uintptr_t log)
{
    if (log) {
        options->log = cae_go_log;
        options->log_user = (void *)log;
    }
    return cae_context_create(out, options);
}
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// Engine is how layers are computed; all agree within a tolerance.
type Engine int32

const (
	EngineAuto   Engine = C.CAE_ENGINE_AUTO   // the faster of the two, layer by layer
	EngineGEMM   Engine = C.CAE_ENGINE_GEMM   // im2col and matrix products through BLAS
	EngineDirect Engine = C.CAE_ENGINE_DIRECT // own kernels where the stride is 1, matrix products elsewhere
)

// CPU is an instruction set that the library's own kernels are built for.
type CPU int32

const (
	CPUAuto     CPU = C.CAE_CPU_AUTO     // the best that the machine has
	CPUBaseline CPU = C.CAE_CPU_BASELINE // what the library was compiled for
	CPUAVX2     CPU = C.CAE_CPU_AVX2     // x86-64 with AVX2 and FMA
	CPUAVX512   CPU = C.CAE_CPU_AVX512   // x86-64 with AVX-512 F, BW, DQ, VL
)

// LogLevel is how much a line of the log matters.
type LogLevel int32

const (
	LogInfo    LogLevel = C.CAE_LOG_INFO    // worth knowing
	LogWarning LogLevel = C.CAE_LOG_WARNING // worth looking into
)

// ContextOptions say how to make a context.
type ContextOptions struct {
	Threads int                               // 1; 0 asks for one per available processor
	Engine  Engine                            // EngineAuto
	CPU     CPU                               // CPUAuto
	Log     func(level LogLevel, text string) // nil: silent; hears one line at a time, without its end
}

// DefaultContextOptions are what nil stands for.
func DefaultContextOptions() ContextOptions {
	var o C.cae_context_options
	C.cae_context_options_init(&o, C.uint32_t(unsafe.Sizeof(o)))
	return ContextOptions{Threads: int(o.threads), Engine: Engine(o.engine), CPU: CPU(o.cpu)}
}

// Context is what would otherwise be global. It belongs, with all that is made from it, to one goroutine at
// a time.
type Context struct{ handle }

// NewContext makes a context. No thread is started before there is work for it.
func NewContext(options *ContextOptions) (*Context, error) {
	if err := CheckVersion(); err != nil {
		return nil, err
	}
	var o C.cae_context_options
	C.cae_context_options_init(&o, C.uint32_t(unsafe.Sizeof(o)))
	c := new(core)
	var log cgo.Handle
	if options != nil {
		o.threads, o.engine, o.cpu = c32(options.Threads), C.int32_t(options.Engine), C.int32_t(options.CPU)
		if options.Log != nil {
			c.log = &logger{call: options.Log}
			log = cgo.NewHandle(c.log)
			c.shared = []*resource{{release: log.Delete}}
		}
	}
	if status := C.cae_go_context_create(&c.context, &o, C.uintptr_t(log)); status != C.CAE_OK {
		for _, r := range c.shared {
			r.release()
		}
		return nil, &Error{Status: Status(status)} // no context, no text
	}
	context, pointer := new(Context), c.context
	context.open(c, unsafe.Pointer(pointer), func() { C.cae_context_destroy(pointer) })
	return context, nil
}

func (c *Context) c() *C.cae_context { return (*C.cae_context)(c.pointer) }

// Threads in use, the calling one included; 0 when closed.
func (c *Context) Threads() int {
	defer runtime.KeepAlive(c)
	return int(C.cae_context_threads(c.c()))
}

// SetThreads sets the number of threads in use; 0 asks for one per available processor. Results have the same
// bits for any number.
func (c *Context) SetThreads(threads int) error {
	return call(func() C.cae_status { return C.cae_context_set_threads(c.c(), c32(threads)) }, &c.handle)
}

// CPU is the instruction set in use; CPUAuto when closed.
func (c *Context) CPU() CPU {
	defer runtime.KeepAlive(c)
	return CPU(C.cae_context_cpu(c.c()))
}
