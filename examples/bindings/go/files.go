// Models as files and bytes: safetensors to keep them, ONNX to run them elsewhere.

package cae

/*
#include <cae/cae.h>

// With a pointer to bytes, cgo does not look into the memory around them for pointers of Go's.
static cae_status cae_go_load_memory(cae_model **out, cae_context *context, const unsigned char *data,
                                     size_t size)
{
    return cae_model_load_memory(out, context, data, size);
}
*/
import "C"

import "unsafe"

// LoadModel reads what [Model.Save] or [Trainer.Save] wrote.
func LoadModel(context *Context, path string) (*Model, error) {
	text, err := cText(path, "the path")
	if err != nil {
		return nil, err
	}
	defer free(text)
	return newModel(&context.handle, func(out **C.cae_model) C.cae_status {
		return C.cae_model_load(out, context.c(), text)
	})
}

// ModelFromBytes reads a model file that is in memory already.
func ModelFromBytes(context *Context, file []byte) (*Model, error) {
	data := (*C.uchar)(unsafe.SliceData(file))
	return newModel(&context.handle, func(out **C.cae_model) C.cae_status {
		return C.cae_go_load_memory(out, context.c(), data, C.size_t(len(file)))
	})
}

// Save writes a model file; it appears whole or not at all.
func (m *Model) Save(path string) error {
	return m.withPath(path, func(text *C.char) C.cae_status { return C.cae_model_save(m.c(), text) })
}

// Bytes is the model file in memory.
func (m *Model) Bytes() ([]byte, error) {
	return m.bytes(func(buffer unsafe.Pointer, capacity C.size_t, written *C.size_t) C.cae_status {
		return C.cae_model_save_memory(buffer, capacity, written, m.c())
	})
}

// LoadWeights fills the model from a file that need not say an architecture, such as a PyTorch state dict. All
// or nothing.
func (m *Model) LoadWeights(path string) error {
	return m.withPath(path, func(text *C.char) C.cae_status { return C.cae_model_load_weights(m.c(), text) })
}

// ExportONNX writes a part as ONNX, opset 13, with batch, height and width dynamic.
func (m *Model) ExportONNX(part Part, path string) error {
	return m.withPath(path, func(text *C.char) C.cae_status {
		return C.cae_model_export_onnx(m.c(), C.int32_t(part), text)
	})
}

// ONNX is the ONNX file in memory.
func (m *Model) ONNX(part Part) ([]byte, error) {
	return m.bytes(func(buffer unsafe.Pointer, capacity C.size_t, written *C.size_t) C.cae_status {
		return C.cae_model_export_onnx_memory(buffer, capacity, written, m.c(), C.int32_t(part))
	})
}

func (h *handle) withPath(path string, f func(text *C.char) C.cae_status) error {
	text, err := cText(path, "the path")
	if err != nil {
		return err
	}
	defer free(text)
	return call(func() C.cae_status { return f(text) }, h)
}

// bytes asks how much it is, then for all of it.
func (m *Model) bytes(write func(unsafe.Pointer, C.size_t, *C.size_t) C.cae_status) ([]byte, error) {
	var size C.size_t
	if err := call(func() C.cae_status { return write(nil, 0, &size) }, &m.handle); err != nil {
		return nil, err
	}
	file := make([]byte, size)
	return file, call(func() C.cae_status {
		return write(unsafe.Pointer(unsafe.SliceData(file)), size, &size)
	}, &m.handle)
}
