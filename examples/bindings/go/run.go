// Running a model, or a part of it, on the caller's images.

package cae

// #include <cae/cae.h>
import "C"

import (
	"math"
	"runtime"
)

// Runner runs a model with the threads, scratch memory and error text of one context. While nobody changes the
// model, many goroutines may run it at once, each with a runner of its own context.
//
// The methods take images or latents [count][channels][height][width]; how many there are follows from the
// slice's length. Those named Into write to memory that has room for exactly the result, and must not overlap
// what they read.
type Runner struct {
	model  *Model
	lender *handle // whose context
}

// With is the model, run with another context.
func (m *Model) With(context *Context) *Runner { return &Runner{m, &context.handle} }

func (m *Model) own() *Runner { return &Runner{m, &m.handle} }

// OutputShape is what a part turns an input of height x width into.
func (r *Runner) OutputShape(part Part, height, width int) (channels, outHeight, outWidth int, err error) {
	var c, h, w C.int32_t
	err = call(func() C.cae_status {
		return C.cae_model_output_shape(&c, &h, &w, r.model.c(), r.lender.core.context, C.int32_t(part),
			c32(height), c32(width))
	}, r.lender, &r.model.handle)
	return int(c), int(h), int(w), err
}

// Forward runs the whole model.
func (r *Runner) Forward(x []float32, height, width int) ([]float32, error) {
	return r.run(Whole, x, height, width)
}

// ForwardInto runs the whole model and writes to y.
func (r *Runner) ForwardInto(y, x []float32, height, width int) error {
	return r.into(Whole, y, x, height, width)
}

// Encode runs the encoder: images to latents.
func (r *Runner) Encode(x []float32, height, width int) ([]float32, error) {
	return r.run(Encoder, x, height, width)
}

// EncodeInto runs the encoder and writes to latent.
func (r *Runner) EncodeInto(latent, x []float32, height, width int) error {
	return r.into(Encoder, latent, x, height, width)
}

// Decode runs the decoder: latents, of height x width, to images.
func (r *Runner) Decode(latent []float32, height, width int) ([]float32, error) {
	return r.run(Decoder, latent, height, width)
}

// DecodeInto runs the decoder and writes to y.
func (r *Runner) DecodeInto(y, latent []float32, height, width int) error {
	return r.into(Decoder, y, latent, height, width)
}

// run into new memory.
func (r *Runner) run(part Part, x []float32, height, width int) ([]float32, error) {
	c, h, w, err := r.OutputShape(part, height, width)
	if err != nil {
		return nil, err
	}
	count, length := imagesIn(len(x), r.reads(part), height, width), c*h*w
	if count > 0 && length > math.MaxInt/4/count {
		return nil, &Error{ErrMemory, "the output is too large"}
	}
	y := make([]float32, count*length)
	if err := r.into(part, y, x, height, width); err != nil {
		return nil, err
	}
	return y, nil
}

func (r *Runner) into(part Part, y, x []float32, height, width int) error {
	to, toCount := floats(y)
	from, fromCount := floats(x)
	return call(func() C.cae_status {
		model, context := r.model.c(), r.lender.core.context
		count := countOf(len(x), r.reads(part), height, width)
		h, w := c32(height), c32(width)
		switch part {
		case Encoder:
			return C.cae_model_encode(to, toCount, model, context, from, fromCount, count, h, w)
		case Decoder:
			return C.cae_model_decode(to, toCount, model, context, from, fromCount, count, h, w)
		default:
			return C.cae_model_forward(to, toCount, model, context, from, fromCount, count, h, w)
		}
	}, r.lender, &r.model.handle)
}

// reads is the number of channels that a part reads; 0 for one that does not exist, which running it will say.
func (r *Runner) reads(part Part) int {
	defer runtime.KeepAlive(r.model)
	var in C.int32_t
	C.cae_model_channels(&in, nil, r.model.c(), r.lender.core.context, C.int32_t(part))
	return int(in)
}

// OutputShape is what a part turns an input of height x width into.
func (m *Model) OutputShape(part Part, height, width int) (channels, outHeight, outWidth int, err error) {
	return m.own().OutputShape(part, height, width)
}

// Forward is [Runner.Forward] with the model's own context, and so are the other methods of that name.
func (m *Model) Forward(x []float32, height, width int) ([]float32, error) {
	return m.own().Forward(x, height, width)
}

// ForwardInto runs the whole model and writes to y.
func (m *Model) ForwardInto(y, x []float32, height, width int) error {
	return m.own().ForwardInto(y, x, height, width)
}

// Encode runs the encoder: images to latents.
func (m *Model) Encode(x []float32, height, width int) ([]float32, error) {
	return m.own().Encode(x, height, width)
}

// EncodeInto runs the encoder and writes to latent.
func (m *Model) EncodeInto(latent, x []float32, height, width int) error {
	return m.own().EncodeInto(latent, x, height, width)
}

// Decode runs the decoder: latents, of height x width, to images.
func (m *Model) Decode(latent []float32, height, width int) ([]float32, error) {
	return m.own().Decode(latent, height, width)
}

// DecodeInto runs the decoder and writes to y.
func (m *Model) DecodeInto(y, latent []float32, height, width int) error {
	return m.own().DecodeInto(y, latent, height, width)
}
