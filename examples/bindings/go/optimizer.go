// How gradients change parameters.

package cae

// #include <cae/cae.h>
import "C"

import (
	"runtime"
	"unsafe"
)

// Rule is an update rule as in torch.optim.
type Rule int32

const (
	SGD   Rule = C.CAE_OPTIMIZER_SGD   // stochastic gradient descent, with momentum if asked for
	Adam  Rule = C.CAE_OPTIMIZER_ADAM  // Kingma & Ba 2015; weight decay is added to the gradient
	AdamW Rule = C.CAE_OPTIMIZER_ADAMW // Loshchilov & Hutter 2019; weight decay shrinks the weights
)

// OptimizerOptions are an update rule and its rates.
type OptimizerOptions struct {
	Rule         Rule    // Adam
	LearningRate float64 // 1e-3; > 0
	Momentum     float64 // 0; SGD, 0 <= Momentum < 1
	Beta1        float64 // 0.9; Adam and AdamW, 0 <= Beta1 < 1
	Beta2        float64 // 0.999; Adam and AdamW, 0 <= Beta2 < 1
	Epsilon      float64 // 1e-8; > 0
	WeightDecay  float64 // 0; >= 0
	Nesterov     bool    // false; SGD, needs momentum
}

// DefaultOptimizerOptions are what nil stands for.
func DefaultOptimizerOptions() OptimizerOptions {
	var o C.cae_optimizer_options
	C.cae_optimizer_options_init(&o, C.uint32_t(unsafe.Sizeof(o)))
	return OptimizerOptions{
		Rule:         Rule(o.kind),
		LearningRate: float64(o.learning_rate),
		Momentum:     float64(o.momentum),
		Beta1:        float64(o.beta1),
		Beta2:        float64(o.beta2),
		Epsilon:      float64(o.epsilon),
		WeightDecay:  float64(o.weight_decay),
		Nesterov:     o.nesterov != 0,
	}
}

func (o *OptimizerOptions) c() *C.cae_optimizer_options {
	if o == nil {
		return nil
	}
	c := new(C.cae_optimizer_options)
	C.cae_optimizer_options_init(c, C.uint32_t(unsafe.Sizeof(*c)))
	c.kind = C.int32_t(o.Rule)
	c.learning_rate = C.double(o.LearningRate)
	c.momentum = C.double(o.Momentum)
	c.beta1, c.beta2 = C.double(o.Beta1), C.double(o.Beta2)
	c.epsilon = C.double(o.Epsilon)
	c.weight_decay = C.double(o.WeightDecay)
	c.nesterov = cBool(o.Nesterov)
	return c
}

// Optimizer is an update rule and its moments, for one model.
type Optimizer struct{ handle }

// NewOptimizer makes an optimizer with zero moments. One at a time may train a model.
func NewOptimizer(model *Model, options *OptimizerOptions) (*Optimizer, error) {
	var p *C.cae_optimizer
	err := call(func() C.cae_status { return C.cae_optimizer_create(&p, model.c(), options.c()) }, &model.handle)
	if err != nil {
		return nil, err
	}
	o := new(Optimizer)
	o.open(model.core, unsafe.Pointer(p), func() { C.cae_optimizer_destroy(p) })
	return o, nil
}

func (o *Optimizer) c() *C.cae_optimizer { return (*C.cae_optimizer)(o.pointer) }

// LearningRate is the base rate that a schedule multiplies; 0 when closed.
func (o *Optimizer) LearningRate() float64 {
	defer runtime.KeepAlive(o)
	return float64(C.cae_optimizer_learning_rate(o.c()))
}

// SetLearningRate sets the base rate, from the next step on; > 0.
func (o *Optimizer) SetLearningRate(rate float64) error {
	return call(func() C.cae_status {
		return C.cae_optimizer_set_learning_rate(o.c(), C.double(rate))
	}, &o.handle)
}
