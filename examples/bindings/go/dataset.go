// Images of one shape, by index.

package cae

/*
#include <cae/cae.h>

// With a pointer to bytes, cgo does not look into the memory around them for pointers of Go's.
static cae_status cae_go_dataset_create(cae_dataset **out, cae_context *context, const unsigned char *data,
                                        size_t bytes, int64_t count, int32_t channels, int32_t height,
                                        int32_t width, const cae_dataset_options *options)
{
    return cae_dataset_create(out, context, data, bytes, count, channels, height, width, options);
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Scale is the range the network sees. Bytes are mapped to it; floats are taken to be in it already.
type Scale int32

const (
	ScaleSigned Scale = C.CAE_SCALE_SIGNED // [-1, 1]: byte / 127.5 - 1
	ScaleUnit   Scale = C.CAE_SCALE_UNIT   // [0, 1]: byte / 255
)

// Layout is an order of the caller's images.
type Layout int32

const (
	NCHW Layout = C.CAE_LAYOUT_NCHW // [count][channels][height][width], planes
	NHWC Layout = C.CAE_LAYOUT_NHWC // [count][height][width][channels], pixels
)

// Split says which images of a data set with two parts.
type Split int32

const (
	SplitTrain Split = C.CAE_SPLIT_TRAIN // to train on
	SplitTest  Split = C.CAE_SPLIT_TEST  // to evaluate on
)

// Pixel is what images may be made of.
type Pixel interface{ uint8 | float32 }

// DatasetOptions say how to see the caller's images. Here the zero value is the default.
type DatasetOptions struct {
	Scale  Scale  // ScaleSigned
	Layout Layout // NCHW
	Borrow bool   // false: copy; true: the caller leaves the slice unchanged while dataset, slices, trainers use it
}

// Dataset is images of one shape.
type Dataset struct{ handle }

// NewDataset makes a dataset of the caller's images, each [channels][height][width]; how many there are follows
// from the slice's length. A borrowed slice is pinned, and kept alive as long as C may look at it.
func NewDataset[T Pixel](context *Context, images []T, channels, height, width int, options *DatasetOptions) (
	*Dataset, error) {
	if options == nil {
		options = new(DatasetOptions)
	}
	o := scaleOnly(options.Scale)
	o.layout, o.borrow = C.int32_t(options.Layout), cBool(options.Borrow)
	var pixel T
	if _, isFloat := any(pixel).(float32); isFloat {
		o._type = C.CAE_TYPE_F32
	}
	first := unsafe.SliceData(images)
	var pinned []*resource
	if options.Borrow && len(images) > 0 {
		pinner := new(runtime.Pinner)
		pinner.Pin(first)
		pinned = []*resource{{release: pinner.Unpin}}
	}
	bytes := C.size_t(len(images)) * C.size_t(unsafe.Sizeof(pixel))
	count := countOf(len(images), channels, height, width)
	dataset, err := newDataset(&context.handle, func(out **C.cae_dataset) C.cae_status {
		return C.cae_go_dataset_create(out, context.c(), (*C.uchar)(unsafe.Pointer(first)), bytes, count,
			c32(channels), c32(height), c32(width), &o)
	}, pinned...)
	if err != nil {
		for _, r := range pinned {
			r.release()
		}
	}
	return dataset, err
}

// OpenCIFAR10 reads a directory in CIFAR-10's binary format.
func OpenCIFAR10(context *Context, directory string, split Split, scale Scale) (*Dataset, error) {
	text, err := cText(directory, "the path")
	if err != nil {
		return nil, err
	}
	defer free(text)
	o := scaleOnly(scale)
	return newDataset(&context.handle, func(out **C.cae_dataset) C.cae_status {
		return C.cae_dataset_open_cifar10(out, context.c(), text, C.int32_t(split), &o)
	})
}

// NewDeadLeaves makes the built-in image set: occluding textured discs, the same bytes for a seed on every
// machine.
func NewDeadLeaves(context *Context, count, channels, height, width int, seed uint64, scale Scale) (
	*Dataset, error) {
	o := scaleOnly(scale)
	return newDataset(&context.handle, func(out **C.cae_dataset) C.cae_status {
		return C.cae_dataset_create_dead_leaves(out, context.c(), C.int64_t(count), c32(channels), c32(height),
			c32(width), C.uint64_t(seed), &o)
	})
}

// Slice is count images from first on, without a copy.
func (d *Dataset) Slice(first, count int) (*Dataset, error) {
	return newDataset(&d.handle, func(out **C.cae_dataset) C.cae_status {
		return C.cae_dataset_slice(out, d.c(), C.int64_t(first), C.int64_t(count))
	}, d.resources()...)
}

func newDataset(from *handle, create func(**C.cae_dataset) C.cae_status, kept ...*resource) (*Dataset, error) {
	var p *C.cae_dataset
	if err := call(func() C.cae_status { return create(&p) }, from); err != nil {
		return nil, err
	}
	d := new(Dataset)
	d.open(from.core, unsafe.Pointer(p), func() { C.cae_dataset_destroy(p) }, kept...)
	return d, nil
}

func scaleOnly(scale Scale) C.cae_dataset_options {
	var o C.cae_dataset_options
	C.cae_dataset_options_init(&o, C.uint32_t(unsafe.Sizeof(o)))
	o.scale = C.int32_t(scale)
	return o
}

func (d *Dataset) c() *C.cae_dataset { return (*C.cae_dataset)(d.pointer) }

// Len is the number of images; 0 when closed.
func (d *Dataset) Len() int {
	defer runtime.KeepAlive(d)
	return int(C.cae_dataset_count(d.c()))
}

// Shape is that of every image; zeros when closed.
func (d *Dataset) Shape() (channels, height, width int) {
	defer runtime.KeepAlive(d)
	var c, h, w C.int32_t
	C.cae_dataset_shape(&c, &h, &w, d.c())
	return int(c), int(h), int(w)
}

// Range is the difference between the largest and the smallest value: 2 or 1; 0 when closed.
func (d *Dataset) Range() float64 {
	defer runtime.KeepAlive(d)
	return float64(C.cae_dataset_range(d.c()))
}

// Get is one image, scaled, as [channels][height][width].
func (d *Dataset) Get(index int) ([]float32, error) {
	channels, height, width := d.Shape()
	pixels := make([]float32, channels*height*width)
	return pixels, d.GetInto(pixels, index)
}

// GetInto copies one image, scaled, to pixels, which has room for exactly that.
func (d *Dataset) GetInto(pixels []float32, index int) error {
	data, count := floats(pixels)
	return call(func() C.cae_status { return C.cae_dataset_get(data, count, d.c(), C.int64_t(index)) }, &d.handle)
}

// VisitEvaluation is the visit whose noise an evaluation adds.
const VisitEvaluation uint32 = C.CAE_VISIT_EVALUATION

// AddNoise adds Gaussian noise of standard deviation sigma to one image: a function of (seed, visit, image)
// alone. A trainer's epoch e uses visit e; an evaluation uses [VisitEvaluation].
func AddNoise(values []float32, sigma float64, seed uint64, visit uint32, image uint64) error {
	data, count := floats(values)
	status := C.cae_add_noise(data, count, C.double(sigma), C.uint64_t(seed), C.uint32_t(visit),
		C.uint64_t(image))
	if status == C.CAE_OK {
		return nil
	}
	return &Error{Status(status),
		fmt.Sprintf("sigma is %v, expected finite and >= 0; image is %d, expected below 2^56", sigma, image)}
}
