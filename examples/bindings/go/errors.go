// What can go wrong: a status of the library's, and its text.

package cae

// #include <cae/cae.h>
import "C"

import "errors"

// Status is what came of a call, an error of its own: errors.Is(err, cae.ErrShape).
type Status int32

const (
	ErrStopped     Status = C.CAE_STOPPED         // for a step function to return: stop, all is valid
	ErrArgument    Status = C.CAE_ERR_ARGUMENT    // a size or a value that no call could accept
	ErrMemory      Status = C.CAE_ERR_MEMORY      // the allocator has no more
	ErrShape       Status = C.CAE_ERR_SHAPE       // sizes that are fine alone and do not fit together
	ErrOptions     Status = C.CAE_ERR_OPTIONS     // an option out of range
	ErrIO          Status = C.CAE_ERR_IO          // the operating system refused: missing, unreadable, full
	ErrFormat      Status = C.CAE_ERR_FORMAT      // a file that was read and is not what it should be
	ErrNumeric     Status = C.CAE_ERR_NUMERIC     // a loss, gradient, parameter or output that is not finite
	ErrUnsupported Status = C.CAE_ERR_UNSUPPORTED // valid, but not in this build
	ErrName        Status = C.CAE_ERR_NAME        // no parameter of that name
)

// ErrClosed is what a call with a closed handle returns.
var ErrClosed = errors.New("cae: the handle is closed")

// Error is the library's short text for a status.
func (s Status) Error() string {
	return "cae: " + C.GoString(C.cae_status_string(C.cae_status(s)))
}

// Error is a status with the library's words for what was expected and what was found.
type Error struct {
	Status  Status
	Message string // empty where there was no context to keep one
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Status.Error()
	}
	return e.Status.Error() + ": " + e.Message
}

// Unwrap is the status, for errors.Is.
func (e *Error) Unwrap() error { return e.Status }
