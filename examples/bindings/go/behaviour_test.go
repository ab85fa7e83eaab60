// Errors, callbacks, closing, goroutines, and the calls that the contract does without.

package cae

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestErrorsHaveAStatusAndTheLibrarysText(t *testing.T) {
	context := newContext(t)
	spec := must(NewSpec(context))(t)
	ok(t, spec.AddConv(3, 8, nil))
	fails(t, spec.AddConv(4, 8, nil), ErrShape,
		"layer 1 (Conv 4->8) expects 4 channels, but layer 0 (Conv 3->8) gives 8")
	missing := scratch(t, "missing.safetensors")
	_, err := LoadModel(context, missing)
	fails(t, err, ErrIO, missing)
	garbage := scratch(t, "garbage.safetensors")
	ok(t, os.WriteFile(garbage, []byte("this is not a model file"), 0o666))
	model, err := LoadModel(context, garbage)
	fails(t, err, ErrFormat, "")
	equal(t, model, nil)
	training := newTraining(t, context)
	options := DefaultTrainerOptions()
	options.Batch = 0
	_, err = NewTrainer(training.model, training.optimizer, training.dataset, &options)
	fails(t, err, ErrOptions, "batch is 0")
	equal(t, err.Error(), "cae: invalid options: batch is 0, expected >= 1")
	_, err = training.model.Tensor("9.weight")
	fails(t, err, ErrName, "9.weight")
	_, err = training.Gradient("1.weight")
	fails(t, err, ErrName, "1.weight")
	_, err = LoadModel(context, "a\x00b")
	fails(t, err, ErrArgument, "zero byte")
	_, err = NewContext(&ContextOptions{Threads: 1 << 40})
	fails(t, err, ErrOptions, "")
}

func TestSizesThatDoNotFitAreErrors(t *testing.T) {
	context := newContext(t)
	model := must(NewReferenceModel(context, seed))(t)
	x := make([]float32, pixels)
	_, err := model.Forward(x[1:], 32, 32)
	fails(t, err, ErrShape, "the input has 3071 values, expected 1 x 3x32x32")
	fails(t, model.EncodeInto(nil, x[:100], 32, 32), ErrShape, "the input has 100 values, expected 1 x 3x32x32")
	fails(t, model.ForwardInto(make([]float32, 9), x, 32, 32), ErrShape, "the output has 9 values")
	_, err = model.Forward(x, 0, 32)
	fails(t, err, ErrArgument, "")
	_, err = model.Encode(x, 2, 2)
	fails(t, err, ErrShape, "layer 0")
	_, _, _, err = model.OutputShape(Encoder, 3, 3)
	fails(t, err, ErrShape, "layer 1")
	_, err = model.Forward(x, math.MaxInt, math.MaxInt)
	fails(t, err, ErrShape, "")
	_, err = NewDataset(context, x[1:], 3, 32, 32, nil)
	fails(t, err, ErrShape, "1 images of 3x32x32 take 12288 bytes, the array has 12284")
	_, err = NewDataset(context, make([]byte, 2*pixels+1), 3, 32, 32, &DatasetOptions{Borrow: true})
	fails(t, err, ErrShape, "6144 bytes")
	_, err = NewDataset[uint8](context, nil, 3, 32, 32, &DatasetOptions{Borrow: true})
	fails(t, err, ErrArgument, "")
	equal(t, len(must(model.Forward(nil, 32, 32))(t)), 0)
	_, err = MSE(x, x[1:])
	fails(t, err, ErrShape, "")
	huge := DefaultConvOptions()
	huge.Stride[0] = math.MaxInt
	fails(t, must(NewSpec(context))(t).AddConv(1, 1, &huge), ErrOptions, "stride_h")
}

func TestAStepFunctionStopsAnEpoch(t *testing.T) {
	training := newTraining(t, newContext(t))
	calls := 0
	progress, err := training.Epoch(func(p Progress) error {
		calls++
		if p.Step == 3 {
			return ErrStopped
		}
		return nil
	})
	if !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
	equal(t, [2]int{progress.Step, calls}, [2]int{3, 3})

	mine := errors.New("mine")
	_, err = training.Epoch(func(Progress) error { return mine })
	equal(t, err, mine)
	progress = must(training.Epoch(func(Progress) error { return nil }))(t)
	equal(t, progress.EpochDone, true)
	training.checkModel(t)
	equal(t, must(training.Epoch(nil))(t).Epoch, 2)
}

func TestAPanicInAStepFunctionArrivesAndTrainingContinues(t *testing.T) {
	type reason struct{ step int }
	training := newTraining(t, newContext(t))
	func() {
		defer func() { equal(t, recover(), any(reason{2})) }()
		training.Epoch(func(p Progress) error {
			if p.Step == 2 {
				panic(reason{p.Step})
			}
			return nil
		})
		t.Fatal("no panic")
	}()
	equal(t, training.take(t, 1).Step, 3)
	training.take(t, steps-3)
	training.checkModel(t)
}

func TestLogLinesArriveAndPanicsOfTheLogGoOn(t *testing.T) {
	// Libcae 1.0.0 has nothing to say yet: stand in for it.
	var lines []string
	options := DefaultContextOptions()
	options.Log = func(level LogLevel, text string) {
		equal(t, level, LogWarning)
		lines = append(lines, text)
		if len(lines) == 2 {
			panic(text)
		}
	}
	context := must(NewContext(&options))(t)
	context.core.log.hear(LogWarning, "first")
	ok(t, context.SetThreads(1))
	context.core.log.hear(LogWarning, "second")
	func() {
		defer func() { equal(t, recover(), any("second")) }()
		context.SetThreads(1)
		t.Fatal("no panic")
	}()
	ok(t, context.SetThreads(1))
	same(t, lines, []string{"first", "second"})
}

func TestClosingTwiceIsHarmlessAndAClosedHandleAnError(t *testing.T) {
	context := must(NewContext(nil))(t)
	training := newTraining(t, context)
	spec := must(NewSpec(context))(t)
	for range 2 {
		ok(t, training.Close())
		ok(t, training.model.Close())
		ok(t, training.optimizer.Close())
		ok(t, training.dataset.Close())
		ok(t, spec.Close())
		ok(t, context.Close())
	}
	closed := func(_ any, err error) {
		t.Helper()
		if !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
	closed(training.Step())
	closed(training.Epoch(func(Progress) error { return nil }))
	closed(training.model.Forward(make([]float32, pixels), 32, 32))
	closed(training.model.Bytes())
	closed(training.model.Evaluate(training.dataset, nil))
	closed(training.dataset.Get(0))
	closed(training.dataset.Slice(0, 1))
	closed(new(Dataset).Slice(0, 1))
	closed(nil, training.optimizer.SetLearningRate(1))
	closed(nil, spec.AddReference())
	closed(NewModel(context, spec, 1))
	closed(NewTrainer(training.model, training.optimizer, training.dataset, nil))
	equal(t, training.model.ParameterCount(), 0)
	equal(t, training.dataset.Len(), 0)
	equal(t, context.Threads(), 0)
	equal(t, training.StepsPerEpoch(), 0)
}

func TestHandlesAreClosedInAnyOrder(t *testing.T) {
	context := must(NewContext(nil))(t)
	training := newTraining(t, context)
	slice := must(training.dataset.Slice(1, 2))(t)
	second := must(training.dataset.Get(1))(t)
	for _, h := range []interface{ Close() error }{context, training.model, training.dataset, training.optimizer} {
		ok(t, h.Close())
	}
	same(t, must(slice.Get(0))(t), second)
	ok(t, slice.Close())
	equal(t, training.take(t, steps).Loss, expected(t, "loss"))
	equal(t, len(must(training.Gradient("0.bias"))(t)), 8)
	ok(t, training.Close())
}

func TestABorrowedDatasetSeesTheCallersMemory(t *testing.T) {
	context := newContext(t)
	owner := &struct { // memory around the images that has a pointer of Go's in it
		self   any
		images [2 * 16]float32
	}{}
	owner.self = owner
	images := owner.images[:]
	borrowed := must(NewDataset(context, images, 1, 4, 4, &DatasetOptions{Borrow: true}))(t)
	copied := must(NewDataset(context, images, 1, 4, 4, nil))(t)
	images[16] = 0.25
	equal(t, must(borrowed.Get(1))(t)[0], 0.25)
	slice := must(borrowed.Slice(1, 1))(t)
	ok(t, borrowed.Close())
	equal(t, must(slice.Get(0))(t)[0], 0.25)
	equal(t, must(copied.Get(1))(t)[0], 0)
}

func TestTheGarbageCollectorClosesAndKeepsWhatIsBorrowed(t *testing.T) {
	var collected, released atomic.Bool
	slice, trainer := func() (*Dataset, *Trainer) { // of a borrowed dataset that nobody holds
		context := must(NewContext(nil))(t)
		images := make([]float32, 2*64*64)
		images[64*64] = 0.75
		runtime.AddCleanup(&images[0], func(int) { collected.Store(true) }, 0)
		borrowed := must(NewDataset(context, images, 1, 64, 64, &DatasetOptions{Borrow: true}))(t)
		last := borrowed.ending
		destroy := last.destroy
		last.destroy = func() { destroy(); released.Store(true) }
		return must(borrowed.Slice(1, 1))(t), smallTrainer(t, borrowed)
	}()
	await(t, &released)
	collectGarbage()
	must(trainer.Step())(t)
	ok(t, trainer.Close())
	collectGarbage()
	equal(t, must(slice.Get(0))(t)[0], 0.75)
	equal(t, collected.Load(), false)

	trainer = smallTrainer(t, slice)
	slice = nil
	collectGarbage()
	must(trainer.Step())(t)
	equal(t, collected.Load(), false)
	trainer = nil
	await(t, &collected)
}

// smallTrainer holds all that its dataset is used with.
func smallTrainer(t *testing.T, dataset *Dataset) *Trainer {
	t.Helper()
	context := must(NewContext(nil))(t)
	spec := must(NewSpec(context))(t)
	ok(t, spec.AddConv(1, 1, nil))
	ok(t, spec.AddConvTranspose(1, 1, nil))
	model := must(NewModel(context, spec, seed))(t)
	return must(NewTrainer(model, must(NewOptimizer(model, nil))(t), dataset, nil))(t)
}

func TestTheGarbageCollectorLeavesClosedHandlesAlone(t *testing.T) {
	var times atomic.Int32
	func() {
		context := must(NewContext(nil))(t)
		last := context.ending
		destroy := last.destroy
		last.destroy = func() {
			if times.Add(1) == 1 {
				destroy()
			}
		}
		ok(t, context.Close())
	}()
	collectGarbage()
	equal(t, times.Load(), 1)
}

// collectGarbage gives cleanups time to run.
func collectGarbage() {
	for range 10 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

func await(t *testing.T, done *atomic.Bool) {
	t.Helper()
	for range 1000 {
		if runtime.GC(); done.Load() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the garbage collector did not get there")
}

func TestManyGoroutinesRunOneModel(t *testing.T) {
	context := newContext(t)
	model, dataset := must(NewReferenceModel(context, seed))(t), newImages(t, context)
	x := must(dataset.Get(5))(t)
	y := must(model.Forward(x, 32, 32))(t)
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			own, err := NewContext(nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			runner := model.With(own)
			for range 20 {
				latent, err := runner.Encode(x, 32, 32)
				again, err2 := runner.Decode(latent, 28, 28)
				_, err3 := runner.Encode(x, 2, 2)
				if err != nil || err2 != nil || !errors.Is(err3, ErrShape) || len(again) != len(y) || again[99] != y[99] {
					t.Error(err, err2, err3)
				}
			}
		}()
	}
	all.Wait()
	trained := must(ModelFromBytes(context, contract(t, "model.safetensors")))(t)
	checkFigures(t, trained.With(newContext(t)).Evaluate, dataset)
}

func TestDatasetsFromEverySource(t *testing.T) {
	context := newContext(t)
	leaves := must(NewDeadLeaves(context, images, 3, 32, 32, seed, ScaleSigned))(t)
	c, h, w := leaves.Shape()
	equal(t, [4]int{leaves.Len(), c, h, w}, [4]int{images, 3, 32, 32})
	equal(t, leaves.Range(), 2)
	var bytes []byte
	for _, value := range must(leaves.Get(0))(t) {
		bytes = append(bytes, byte(math.RoundToEven(float64((value+1)*127.5))))
	}
	same(t, bytes, contract(t, "images.u8")[:pixels])
	_, err := leaves.Get(images)
	fails(t, err, ErrArgument, "320")
	_, err = leaves.Slice(-1, 1)
	fails(t, err, ErrArgument, "")

	pair := []byte{0, 51, 102, 153, 204, 255} // 1x2 pixels of 3 channels
	planes := must(NewDataset(context, pair, 3, 1, 2, &DatasetOptions{Scale: ScaleUnit, Layout: NHWC}))(t)
	same(t, must(planes.Get(0))(t), []float32{0, 0.6, 0.2, 0.8, 0.4, 1})
	equal(t, planes.Range(), 1)

	batch := scratch(t, "cifar10/test_batch.bin")
	ok(t, os.WriteFile(batch, append([]byte{3}, contract(t, "images.u8")[:pixels]...), 0o666))
	cifar := must(OpenCIFAR10(context, filepath.Dir(batch), SplitTest, ScaleSigned))(t)
	same(t, must(cifar.Get(0))(t), must(newImages(t, context).Get(0))(t))
	_, err = OpenCIFAR10(context, filepath.Dir(batch), SplitTrain, ScaleSigned)
	fails(t, err, ErrIO, "")
}

func TestNoiseAndMetrics(t *testing.T) {
	context := newContext(t)
	dataset := must(newImages(t, context).Slice(0, 1))(t)
	a, b := must(dataset.Get(0))(t), must(dataset.Get(0))(t)
	options := DefaultEvaluationOptions()
	options.NoiseSigma = 0.1
	ok(t, AddNoise(b, 0.1, options.NoiseSeed, VisitEvaluation, 0))
	fails(t, AddNoise(b, -1, 0, 0, 0), ErrArgument, "sigma is -1")
	e := must(must(NewReferenceModel(context, seed))(t).Evaluate(dataset, &options))(t)
	equal(t, must(MSE(b, a))(t), e.NoisyMSE)
	equal(t, must(PSNR(b, a, 2))(t), e.NoisyPSNR)
	equal(t, must(SSIM(context, b, a, 3, 32, 32, 2, SSIMGaussian11))(t), e.NoisySSIM)
	equal(t, must(SSIM(context, b, a, 3, 32, 32, 2, SSIMUniform7))(t), e.NoisySSIMUniform7)
	_, err := SSIM(context, b, a, 3, 32, 31, 2, SSIMUniform7)
	fails(t, err, ErrShape, "3072")
	_, err = SSIM(context, b, a, 3, 32, 32, 2, 9)
	fails(t, err, ErrArgument, "")
	equal(t, must(PSNR(a, a, 2))(t), math.Inf(1))
}

func TestTensorsGradientsAndRates(t *testing.T) {
	training := newTraining(t, newContext(t))
	training.take(t, 1)
	gradient := must(training.Gradient("0.bias"))(t)
	if len(gradient) != 8 || gradient[0] == 0 {
		t.Fatal(gradient)
	}
	half := must(training.model.Tensor("2.weight"))(t)
	for i := range half {
		half[i] /= 2
	}
	ok(t, training.model.SetTensor("2.weight", half))
	same(t, must(training.model.Tensor("2.weight"))(t), half)
	infinite := make([]float32, 8)
	infinite[7] = float32(math.Inf(1))
	fails(t, training.model.SetTensor("2.bias", infinite), ErrNumeric, "2.bias")
	fails(t, training.model.SetTensor("2.bias", infinite[:7]), ErrShape, "2.bias")
	ok(t, training.optimizer.SetLearningRate(0.5e-3))
	equal(t, training.optimizer.LearningRate(), 0.5e-3)
	equal(t, training.take(t, 1).LearningRate, 0.5e-3)
	fails(t, training.optimizer.SetLearningRate(-1), ErrArgument, "learning_rate is -1")
}

func TestEveryOptionReachesTheLibrary(t *testing.T) {
	context := must(NewContext(&ContextOptions{Threads: 2, Engine: EngineGEMM, CPU: CPUBaseline}))(t)
	equal(t, context.Threads(), 2)
	equal(t, context.CPU(), CPUBaseline)
	leaky := ConvOptions{
		Kernel: [2]int{2, 4}, Stride: [2]int{2, 2}, Padding: [2]int{0, 1}, Dilation: [2]int{1, 1},
		Activation: LeakyReLU, Slope: 0.2,
	}
	spec := must(NewSpec(context))(t)
	ok(t, spec.AddConv(1, 2, &leaky))
	ok(t, spec.AddConvTranspose(2, 1, &leaky))
	model := must(NewModel(context, spec, 1))(t)
	same(t, model.TensorNames(), []string{"0.weight", "2.weight"})
	same(t, model.TensorShape("0.weight"), []int{2, 1, 2, 4})
	leaky.Slope = -1
	fails(t, spec.AddConv(1, 1, &leaky), ErrOptions, "slope")
	leaky.Activation = 99
	fails(t, spec.AddConv(1, 1, &leaky), ErrOptions, "activation is 99")

	dataset := must(NewDeadLeaves(context, 4, 1, 8, 8, 1, ScaleUnit))(t)
	sgd := DefaultOptimizerOptions()
	sgd.Rule, sgd.LearningRate, sgd.Momentum, sgd.Nesterov = SGD, 0.1, 0.9, true
	optimizer := must(NewOptimizer(model, &sgd))(t)
	options := DefaultTrainerOptions()
	options.Batch, options.Loss, options.HuberDelta, options.ClipNorm = 2, LossHuber, 0.5, 1e-3
	options.Schedule, options.DecaySteps, options.DecayFactor, options.WarmupSteps = ScheduleStep, 1, 0.5, 2
	trainer := must(NewTrainer(model, optimizer, dataset, &options))(t)
	var rates []float64
	for range 4 {
		rates = append(rates, must(trainer.Step())(t).LearningRate)
	}
	same(t, rates, []float64{0.05, 0.1, 0.1, 0.05})
	var square float64
	for _, g := range must(trainer.Gradient("0.weight"))(t) {
		square += float64(g) * float64(g)
	}
	if square > 1e-6 {
		t.Fatal(math.Sqrt(square))
	}
	options.Schedule, options.DecaySteps = ScheduleCosine, 0
	_, err := NewTrainer(model, optimizer, dataset, &options)
	fails(t, err, ErrOptions, "decay_steps")
}
