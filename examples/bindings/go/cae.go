// Package cae builds, trains, evaluates, runs and saves convolutional auto-encoders on the CPU, with libcae.
//
// A [Context] carries threads and the log; a [Spec] describes a network, a [Model] is one with its parameters;
// a [Dataset] gives images by index; a [Trainer] brings a model, its [Optimizer] and a dataset together.
// Images are float32 in the order [count][channels][height][width].
//
// A context, and what was made from it, is for one goroutine at a time. [Model.With] runs a model that nobody
// changes on many goroutines, each with a context of its own.
//
// Every handle has a Close, and is closed by the garbage collector if it was not. Handles may be closed in any
// order: what another one was made from stays alive for it. A closed one answers [ErrClosed].
//
// Options come from a Default function, to be changed and passed as a pointer; nil means all defaults. The
// zero value of an options struct is not its default. Numbers that do not fit the library's 32 bits become
// the nearest that does; it is beyond every limit, so that the error is the library's own.
package cae

// #cgo pkg-config: cae
// #include <cae/cae.h>
import "C"

import (
	"fmt"
	"unsafe"
)

// Version is that of the loaded library, such as "1.1.0".
func Version() string {
	return C.GoString(C.cae_version_string())
}

// ABIVersion is the number of the loaded library's binary interface.
func ABIVersion() int {
	return int(C.cae_abi_version())
}

// BuildInfo is one line on how the library was built and what it found.
func BuildInfo() string {
	text := make([]byte, int(C.cae_build_info(nil, 0))+1)
	C.cae_build_info((*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text)))
	return string(text[:len(text)-1])
}

// CheckVersion says whether the loaded library is one that this package can work with: the ABI of the header it
// was compiled with, and not older. [NewContext] asks. The linker compares sonames already, so this matters to
// who puts a library in another's place.
func CheckVersion() error {
	number, abi := uint32(C.cae_version_number()), ABIVersion()
	const least = C.CAE_VERSION_MAJOR<<16 | C.CAE_VERSION_MINOR<<8 | C.CAE_VERSION_PATCH
	if abi == C.CAE_ABI_VERSION && number >= least {
		return nil
	}
	dotted := func(n uint32) string { return fmt.Sprintf("%d.%d.%d", n>>16, n>>8&0xff, n&0xff) }
	return &Error{ErrUnsupported, fmt.Sprintf("found libcae %s with ABI %d, expected %s or later with ABI %d",
		dotted(number), abi, dotted(least), C.CAE_ABI_VERSION)}
}
