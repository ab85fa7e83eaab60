// Describing a network, layer by layer.

package cae

// #include <cae/cae.h>
import "C"

import "unsafe"

// Activation is what a layer does with its sums.
type Activation int32

const (
	NoActivation Activation = C.CAE_ACTIVATION_NONE       // x
	ReLU         Activation = C.CAE_ACTIVATION_RELU       // max(0, x)
	LeakyReLU    Activation = C.CAE_ACTIVATION_LEAKY_RELU // x < 0 ? slope x : x
	Tanh         Activation = C.CAE_ACTIVATION_TANH       // tanh(x)
	Sigmoid      Activation = C.CAE_ACTIVATION_SIGMOID    // 1 / (1 + exp(-x))
)

// ConvOptions are the geometry of a layer, each pair {vertical, horizontal} in pixels, and its activation.
type ConvOptions struct {
	Kernel        [2]int     // {3, 3}
	Stride        [2]int     // {1, 1}
	Padding       [2]int     // {0, 0}: zeros on each side
	Dilation      [2]int     // {1, 1}
	OutputPadding [2]int     // {0, 0}; transposed convolution only
	Bias          bool       // true
	Activation    Activation // NoActivation
	Slope         float64    // 0.01: LeakyReLU, >= 0
}

// DefaultConvOptions are what nil stands for.
func DefaultConvOptions() ConvOptions {
	var o C.cae_conv_options
	C.cae_conv_options_init(&o, C.uint32_t(unsafe.Sizeof(o)))
	return ConvOptions{
		Kernel:        [2]int{int(o.kernel_h), int(o.kernel_w)},
		Stride:        [2]int{int(o.stride_h), int(o.stride_w)},
		Padding:       [2]int{int(o.padding_h), int(o.padding_w)},
		Dilation:      [2]int{int(o.dilation_h), int(o.dilation_w)},
		OutputPadding: [2]int{int(o.output_padding_h), int(o.output_padding_w)},
		Bias:          o.bias != 0,
		Activation:    Activation(o.activation),
		Slope:         float64(o.slope),
	}
}

func (o *ConvOptions) c() *C.cae_conv_options {
	if o == nil {
		return nil
	}
	c := new(C.cae_conv_options)
	C.cae_conv_options_init(c, C.uint32_t(unsafe.Sizeof(*c)))
	c.kernel_h, c.kernel_w = c32(o.Kernel[0]), c32(o.Kernel[1])
	c.stride_h, c.stride_w = c32(o.Stride[0]), c32(o.Stride[1])
	c.padding_h, c.padding_w = c32(o.Padding[0]), c32(o.Padding[1])
	c.dilation_h, c.dilation_w = c32(o.Dilation[0]), c32(o.Dilation[1])
	c.output_padding_h, c.output_padding_w = c32(o.OutputPadding[0]), c32(o.OutputPadding[1])
	c.bias = cBool(o.Bias)
	c.activation = C.int32_t(o.Activation)
	c.slope = C.double(o.Slope)
	return c
}

// Spec is a list of layers, to make models from.
type Spec struct{ handle }

// NewSpec makes an empty description.
func NewSpec(context *Context) (*Spec, error) {
	var p *C.cae_spec
	err := call(func() C.cae_status { return C.cae_spec_create(&p, context.c()) }, &context.handle)
	if err != nil {
		return nil, err
	}
	s := new(Spec)
	s.open(context.core, unsafe.Pointer(p), func() { C.cae_spec_destroy(p) })
	return s, nil
}

func (s *Spec) c() *C.cae_spec { return (*C.cae_spec)(s.pointer) }

// AddConv appends a convolution. After an error the description is as it was.
func (s *Spec) AddConv(inChannels, outChannels int, options *ConvOptions) error {
	return call(func() C.cae_status {
		return C.cae_spec_add_conv(s.c(), c32(inChannels), c32(outChannels), options.c())
	}, &s.handle)
}

// AddConvTranspose appends a transposed convolution, the adjoint of the convolution with the same options.
func (s *Spec) AddConvTranspose(inChannels, outChannels int, options *ConvOptions) error {
	return call(func() C.cae_status {
		return C.cae_spec_add_conv_transpose(s.c(), c32(inChannels), c32(outChannels), options.c())
	}, &s.handle)
}

// EndEncoder says that the encoder is what has been added so far; what follows is the decoder. Without this
// call the encoder is the first half of the layers, the odd one going to the encoder.
func (s *Spec) EndEncoder() error {
	return call(func() C.cae_status { return C.cae_spec_end_encoder(s.c()) }, &s.handle)
}

// SetResidual, with true, makes a whole model give its input plus what its layers make of it, y = x + f(x): as
// many channels as it takes, and no activation in the last layer. Encoder and decoder run their layers only.
func (s *Spec) SetResidual(residual bool) error {
	return call(func() C.cae_status { return C.cae_spec_set_residual(s.c(), cBool(residual)) }, &s.handle)
}

// AddReference appends the four layers of the reference network to an empty description.
func (s *Spec) AddReference() error {
	return call(func() C.cae_status { return C.cae_spec_add_reference(s.c()) }, &s.handle)
}
