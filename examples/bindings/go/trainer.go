// Training: pull style, nothing runs unless it is called.

package cae

/*
#include <stdint.h>
#include <cae/cae.h>

extern int32_t caeGoStep(uintptr_t user, cae_progress *progress);

static int32_t cae_go_step(void *user, const cae_progress *progress)
{
    return caeGoStep((uintptr_t)user, (cae_progress *)progress);
}

// `step` is the handle of a function, 0 for none.
static cae_status cae_go_trainer_epoch(cae_progress *out, cae_trainer *trainer, uintptr_t step)
{
    return cae_trainer_epoch(out, trainer, step ? cae_go_step : NULL, (void *)step);
}
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// Loss is what a step makes smaller; d = |output - target|.
type Loss int32

const (
	LossMSE         Loss = C.CAE_LOSS_MSE         // mean of d^2
	LossL1          Loss = C.CAE_LOSS_L1          // mean of d
	LossHuber       Loss = C.CAE_LOSS_HUBER       // mean of d < delta ? d^2 / 2 : delta (d - delta / 2)
	LossCharbonnier Loss = C.CAE_LOSS_CHARBONNIER // mean of sqrt(d^2 + epsilon^2) - epsilon
)

// Augment is what may happen to an image on its way into a batch, drawn by halves for each visit: add up what is
// wanted.
type Augment int32

const (
	AugmentMirror    Augment = C.CAE_AUGMENT_MIRROR    // left and right exchanged
	AugmentFlip      Augment = C.CAE_AUGMENT_FLIP      // top and bottom exchanged
	AugmentTranspose Augment = C.CAE_AUGMENT_TRANSPOSE // rows and columns exchanged; square images only
)

// Schedule is what the rate of step t is multiplied with.
type Schedule int32

const (
	ScheduleConstant Schedule = C.CAE_SCHEDULE_CONSTANT // 1
	ScheduleStep     Schedule = C.CAE_SCHEDULE_STEP     // DecayFactor ^ floor((t - WarmupSteps) / DecaySteps)
	ScheduleCosine   Schedule = C.CAE_SCHEDULE_COSINE   // from 1 to FinalFraction along half a cosine
)

// TrainerOptions say how to train.
type TrainerOptions struct {
	Batch         int      // 64; images per step
	Seed          uint64   // 1; keys the shuffle and the noise
	Loss          Loss     // LossMSE
	Shuffle       bool     // true; false visits the images in order
	HuberDelta    float64  // 1; > 0
	NoiseSigma    float64  // 0; Gaussian noise added to the input, never to the target
	ClipNorm      float64  // 0: off; a longer gradient is scaled to this L2 norm
	Schedule      Schedule // ScheduleConstant
	WarmupSteps   int      // 0; steps over which the rate rises to its base
	DecaySteps    int      // 0; ScheduleStep: steps between decays; ScheduleCosine: all steps, warm-up too
	DecayFactor   float64  // 0.1; 0 < DecayFactor <= 1
	FinalFraction float64  // 0; 0 <= FinalFraction <= 1
	NoiseSigmaMax float64  // 0; above: each visit of an image draws its sigma between NoiseSigma and this
	AverageDecay  float64  // 0: off; below 1, of the moving average that Trainer.Average gives
	Epsilon       float64  // 0, which is 1e-3; LossCharbonnier
	SSIMWeight    float64  // 0; above: this times 1 - SSIM is added to the loss
	Augment       Augment  // 0
}

// DefaultTrainerOptions are what nil stands for.
func DefaultTrainerOptions() TrainerOptions {
	var o C.cae_trainer_options
	C.cae_trainer_options_init(&o, C.uint32_t(unsafe.Sizeof(o)))
	return TrainerOptions{
		Batch:         int(o.batch),
		Seed:          uint64(o.seed),
		Loss:          Loss(o.loss),
		Shuffle:       o.shuffle != 0,
		HuberDelta:    float64(o.huber_delta),
		NoiseSigma:    float64(o.noise_sigma),
		ClipNorm:      float64(o.clip_norm),
		Schedule:      Schedule(o.schedule),
		WarmupSteps:   int(o.warmup_steps),
		DecaySteps:    int(o.decay_steps),
		DecayFactor:   float64(o.decay_factor),
		FinalFraction: float64(o.final_fraction),
		NoiseSigmaMax: float64(o.noise_sigma_max),
		AverageDecay:  float64(o.average_decay),
		Epsilon:       float64(o.epsilon),
		SSIMWeight:    float64(o.ssim_weight),
		Augment:       Augment(o.augment),
	}
}

func (o *TrainerOptions) c() *C.cae_trainer_options {
	if o == nil {
		return nil
	}
	c := new(C.cae_trainer_options)
	C.cae_trainer_options_init(c, C.uint32_t(unsafe.Sizeof(*c)))
	c.batch = c32(o.Batch)
	c.seed = C.uint64_t(o.Seed)
	c.loss = C.int32_t(o.Loss)
	c.shuffle = cBool(o.Shuffle)
	c.huber_delta = C.double(o.HuberDelta)
	c.noise_sigma = C.double(o.NoiseSigma)
	c.clip_norm = C.double(o.ClipNorm)
	c.schedule = C.int32_t(o.Schedule)
	c.warmup_steps, c.decay_steps = C.int64_t(o.WarmupSteps), C.int64_t(o.DecaySteps)
	c.decay_factor = C.double(o.DecayFactor)
	c.final_fraction = C.double(o.FinalFraction)
	c.noise_sigma_max = C.double(o.NoiseSigmaMax)
	c.average_decay = C.double(o.AverageDecay)
	c.epsilon = C.double(o.Epsilon)
	c.ssim_weight = C.double(o.SSIMWeight)
	c.augment = C.int32_t(o.Augment)
	return c
}

// Progress is where training stands.
type Progress struct {
	EpochDone    bool    // whether the step just taken was the last of its epoch
	Step         int     // optimizer steps taken in all
	Epoch        int     // epochs completed
	Images       int     // images visited in this epoch, or in the one just completed
	Loss         float64 // of the step just taken; from Trainer.Epoch the mean per image
	EpochLoss    float64 // mean per image since the epoch began
	LearningRate float64 // used in the step just taken
	GradientNorm float64 // L2, before clipping
}

func progressOf(p *C.cae_progress) Progress {
	return Progress{
		EpochDone:    p.epoch_done != 0,
		Step:         int(p.step),
		Epoch:        int(p.epoch),
		Images:       int(p.images),
		Loss:         float64(p.loss),
		EpochLoss:    float64(p.epoch_loss),
		LearningRate: float64(p.learning_rate),
		GradientNorm: float64(p.gradient_norm),
	}
}

// Trainer is a model, its optimizer and a dataset, at work. It keeps all three alive; the model has what it
// has learned.
type Trainer struct {
	handle
	shapes map[string][]int // of the gradients, as of the parameters
}

// NewTrainer brings the three together. The model must map an image onto its own shape.
func NewTrainer(model *Model, optimizer *Optimizer, dataset *Dataset, options *TrainerOptions) (*Trainer, error) {
	var p *C.cae_trainer
	err := call(func() C.cae_status {
		return C.cae_trainer_create(&p, model.c(), optimizer.c(), dataset.c(), options.c())
	}, &model.handle, &optimizer.handle, &dataset.handle)
	if err != nil {
		return nil, err
	}
	t := &Trainer{shapes: model.shapes}
	t.open(model.core, unsafe.Pointer(p), func() { C.cae_trainer_destroy(p) }, dataset.resources()...)
	return t, nil
}

func (t *Trainer) c() *C.cae_trainer { return (*C.cae_trainer)(t.pointer) }

// Step takes one optimizer step on the next batch. [ErrNumeric] when something is not finite; nothing is
// updated then.
func (t *Trainer) Step() (Progress, error) {
	return t.report(func(out *C.cae_progress) C.cae_status { return C.cae_trainer_step(out, t.c()) })
}

// Epoch takes steps to the end of the current epoch. The function, which may be nil, is called after every
// step; an error from it ends the call and is returned, with where training stands. [ErrStopped] is there for
// who has none. A panic goes on from here. The trainer stays usable after all of them.
func (t *Trainer) Epoch(step func(Progress) error) (Progress, error) {
	if step == nil {
		return t.report(func(out *C.cae_progress) C.cae_status { return C.cae_go_trainer_epoch(out, t.c(), 0) })
	}
	s := &stepper{call: step}
	user := cgo.NewHandle(s)
	defer user.Delete()
	progress, err := t.report(func(out *C.cae_progress) C.cae_status {
		return C.cae_go_trainer_epoch(out, t.c(), C.uintptr_t(user))
	})
	s.resume()
	if err == nil {
		err = s.err
	}
	return progress, err
}

// StepsPerEpoch is the number of steps in an epoch; 0 when closed.
func (t *Trainer) StepsPerEpoch() int {
	defer runtime.KeepAlive(t)
	return int(C.cae_trainer_steps_per_epoch(t.c()))
}

// Progress is where training stands, without taking a step.
func (t *Trainer) Progress() (Progress, error) {
	return t.report(func(out *C.cae_progress) C.cae_status { return C.cae_trainer_progress(out, t.c()) })
}

func (t *Trainer) report(f func(*C.cae_progress) C.cae_status) (Progress, error) {
	out := new(C.cae_progress)
	C.cae_progress_init(out, C.uint32_t(unsafe.Sizeof(*out)))
	err := call(func() C.cae_status { return f(out) }, &t.handle)
	return progressOf(out), err
}

// Gradient is that of the last step for a named parameter tensor, after clipping.
func (t *Trainer) Gradient(name string) ([]float32, error) {
	values := make([]float32, elements(t.shapes[name]))
	return values, t.GradientInto(values, name)
}

// GradientInto copies the gradient to values, which has the tensor's number of elements.
func (t *Trainer) GradientInto(values []float32, name string) error {
	text, err := cText(name, "the name")
	if err != nil {
		return err
	}
	defer free(text)
	data, count := floats(values)
	return call(func() C.cae_status { return C.cae_trainer_get_gradient(data, count, t.c(), text) }, &t.handle)
}

// Average is a model of its own with the moving average of the parameters; without averaging, with the
// parameters as they are.
func (t *Trainer) Average() (*Model, error) {
	return newModel(&t.handle, func(out **C.cae_model) C.cae_status { return C.cae_trainer_average(out, t.c()) })
}

// Save writes a checkpoint: a model file with the optimizer's moments and the trainer's counters in it.
func (t *Trainer) Save(path string) error {
	return t.withPath(path, func(text *C.char) C.cae_status { return C.cae_trainer_save(t.c(), text) })
}

// Resume continues from a checkpoint, to the same bits as if training had never stopped. After an error
// nothing has changed.
func (t *Trainer) Resume(path string) error {
	return t.withPath(path, func(text *C.char) C.cae_status { return C.cae_trainer_resume(t.c(), text) })
}
