// A network with its parameters.

package cae

// #include <cae/cae.h>
import "C"

import (
	"runtime"
	"unsafe"
)

// Part is one of a model's.
type Part int32

const (
	Encoder Part = C.CAE_PART_ENCODER // from an image to its latent
	Decoder Part = C.CAE_PART_DECODER // from a latent to an image
	Whole   Part = C.CAE_PART_WHOLE   // both
)

// Model is layers and their parameters, named as in a PyTorch nn.Sequential: "0.weight", "0.bias",
// "2.weight" ...
type Model struct {
	handle
	names  []string
	shapes map[string][]int
}

// NewModel makes a model with PyTorch's default initialization. The same seed gives the same bits on every
// machine.
func NewModel(context *Context, spec *Spec, seed uint64) (*Model, error) {
	return newModel(&context.handle, func(out **C.cae_model) C.cae_status {
		return C.cae_model_create(out, context.c(), spec.c(), C.uint64_t(seed))
	}, &spec.handle)
}

// NewReferenceModel makes the reference network: 3x3 convolutions 3 to 8 to 8 channels, and back; 1,611
// parameters.
func NewReferenceModel(context *Context, seed uint64) (*Model, error) {
	return newModel(&context.handle, func(out **C.cae_model) C.cae_status {
		return C.cae_model_create_reference(out, context.c(), C.uint64_t(seed))
	})
}

func newModel(from *handle, create func(**C.cae_model) C.cae_status, with ...*handle) (*Model, error) {
	var p *C.cae_model
	err := call(func() C.cae_status { return create(&p) }, append([]*handle{from}, with...)...)
	if err != nil {
		return nil, err
	}
	m := &Model{shapes: map[string][]int{}}
	m.open(from.core, unsafe.Pointer(p), func() { C.cae_model_destroy(p) })
	if err := m.readShapes(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// readShapes keeps the tensors' names and shapes, which never change.
func (m *Model) readShapes() error {
	for i := range C.cae_model_tensor_count(m.c()) {
		var extents [4]C.int64_t
		var rank C.int32_t
		name := C.cae_model_tensor_name(m.c(), i)
		err := call(func() C.cae_status {
			return C.cae_model_tensor_shape(&extents[0], &rank, m.c(), name)
		}, &m.handle)
		if err != nil {
			return err
		}
		shape := make([]int, rank)
		for k := range shape {
			shape[k] = int(extents[k])
		}
		m.names = append(m.names, C.GoString(name))
		m.shapes[C.GoString(name)] = shape
	}
	return nil
}

func (m *Model) c() *C.cae_model { return (*C.cae_model)(m.pointer) }

// ParameterCount is the number of scalar parameters; 0 when closed.
func (m *Model) ParameterCount() int {
	defer runtime.KeepAlive(m)
	return int(C.cae_model_parameter_count(m.c()))
}

// LayerCount is the number of layers; 0 when closed.
func (m *Model) LayerCount() int {
	defer runtime.KeepAlive(m)
	return int(C.cae_model_layer_count(m.c()))
}

// Residual says whether the whole model adds its input to what its layers make of it; false when closed.
func (m *Model) Residual() bool {
	defer runtime.KeepAlive(m)
	return C.cae_model_residual(m.c()) == 1
}

// TensorNames are the names of the parameter tensors, in order.
func (m *Model) TensorNames() []string {
	return append([]string(nil), m.names...)
}

// TensorShape is [out, in, kernel height, kernel width] of a convolution's weights, [in, out, ...] of a
// transposed one's, [out] of biases; nil when there is no such tensor.
func (m *Model) TensorShape(name string) []int {
	return append([]int(nil), m.shapes[name]...)
}

// Tensor is a copy of a tensor.
func (m *Model) Tensor(name string) ([]float32, error) {
	values := make([]float32, elements(m.shapes[name]))
	return values, m.TensorInto(values, name)
}

// TensorInto copies a tensor to values, which has its number of elements.
func (m *Model) TensorInto(values []float32, name string) error {
	text, err := cText(name, "the name")
	if err != nil {
		return err
	}
	defer free(text)
	data, count := floats(values)
	return call(func() C.cae_status { return C.cae_model_get_tensor(data, count, m.c(), text) }, &m.handle)
}

// SetTensor replaces a tensor. A value that is not finite is refused and leaves it as it was.
func (m *Model) SetTensor(name string, values []float32) error {
	text, err := cText(name, "the name")
	if err != nil {
		return err
	}
	defer free(text)
	data, count := floats(values)
	return call(func() C.cae_status { return C.cae_model_set_tensor(m.c(), text, data, count) }, &m.handle)
}

// Channels that a part reads and writes.
func (m *Model) Channels(part Part) (reads, writes int, err error) {
	var in, out C.int32_t
	err = call(func() C.cae_status {
		return C.cae_model_channels(&in, &out, m.c(), nil, C.int32_t(part))
	}, &m.handle)
	return int(in), int(out), err
}

// elements of a tensor; 1 for one that does not exist, which the library will say.
func elements(shape []int) int {
	n := 1
	for _, extent := range shape {
		n *= extent
	}
	return n
}
