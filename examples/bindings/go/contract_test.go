// What the C program of the library's own tests computes, to the bit.

package cae

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

func TestVersionAndBuildInfo(t *testing.T) {
	newContext(t) // fails in the next test
	ok(t, CheckVersion())
	equal(t, ABIVersion(), 1)
	if !strings.HasPrefix(BuildInfo(), "libcae "+Version()) {
		t.Fatal(BuildInfo())
	}
}

// With another library before libcae on the loader's list, the test above has to fail.
func TestOlderAndOtherLibrariesAreRefused(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs LD_PRELOAD")
	}
	for variable, found := range map[string]string{
		"CAE_LIBRARY_OLDER":     "0.9.0 with ABI 1",
		"CAE_LIBRARY_OTHER_ABI": "9.0.0 with ABI 9",
	} {
		test := exec.Command(os.Args[0], "-test.run=^TestVersionAndBuildInfo$")
		test.Env = append(os.Environ(), "LD_PRELOAD="+variableOf(t, variable))
		output, err := test.CombinedOutput()
		expected := "found libcae " + found + ", expected 1.1.0 or later with ABI 1"
		if err == nil || !strings.Contains(string(output), expected) {
			t.Fatalf("%v: %s", err, output)
		}
	}
}

func TestReferenceNetworkLayerByLayer(t *testing.T) {
	context := newContext(t)
	model := referenceByLayers(t, context)
	equal(t, model.ParameterCount(), 1611)
	equal(t, model.LayerCount(), 4)
	same(t, model.TensorNames(),
		[]string{"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias", "6.weight", "6.bias"})
	same(t, model.TensorShape("0.weight"), []int{8, 3, 3, 3})
	same(t, model.TensorShape("6.weight"), []int{8, 3, 3, 3})
	same(t, model.TensorShape("6.bias"), []int{3})
	reads, writes, err := model.Channels(Decoder)
	ok(t, err)
	equal(t, [2]int{reads, writes}, [2]int{8, 3})
	reference := must(NewReferenceModel(context, seed))(t)
	same(t, must(model.Bytes())(t), must(reference.Bytes())(t))
}

func TestTwentyStepsEndAtTheSameLoss(t *testing.T) {
	training := newTraining(t, newContext(t))
	equal(t, training.StepsPerEpoch(), steps)
	last := training.take(t, steps)
	equal(t, last.Loss, expected(t, "loss"))
	equal(t, last.Step, steps)
	equal(t, last.LearningRate, 1e-3)
	equal(t, last.EpochDone, true)
}

func TestAResidualNetworkAndItsAverageAreTheSame(t *testing.T) {
	context := newContext(t)
	spec := specByLayers(t, context)
	ok(t, spec.SetResidual(true))
	model := must(NewModel(context, spec, seed))(t)
	equal(t, model.Residual(), true)
	equal(t, referenceByLayers(t, context).Residual(), false)
	options := DefaultTrainerOptions()
	options.Batch, options.Seed, options.Loss, options.Epsilon = 16, seed, LossCharbonnier, 0.01
	options.NoiseSigma, options.NoiseSigmaMax, options.AverageDecay = 0.05, 0.2, 0.9
	options.Augment = AugmentMirror | AugmentFlip | AugmentTranspose
	optimizer := must(NewOptimizer(model, nil))(t)
	trainer := must(NewTrainer(model, optimizer, newImages(t, context), &options))(t)
	var last Progress
	for range steps {
		last = must(trainer.Step())(t)
	}
	equal(t, last.Loss, expected(t, "residual_loss"))
	average := must(trainer.Average())(t)
	ok(t, trainer.Close())
	equal(t, average.Residual(), true)
	same(t, must(average.Bytes())(t), contract(t, "average.safetensors"))
}

func TestEvaluationGivesTheSameFigures(t *testing.T) {
	training := newTraining(t, newContext(t))
	training.take(t, steps)
	checkFigures(t, training.model.Evaluate, training.dataset)
}

func TestFilesAreTheSameBytes(t *testing.T) {
	training := newTraining(t, newContext(t))
	training.take(t, steps)
	model, onnx := scratch(t, "model.safetensors"), scratch(t, "model.onnx")
	ok(t, training.model.Save(model))
	ok(t, training.model.ExportONNX(Whole, onnx))
	same(t, must(os.ReadFile(model))(t), contract(t, "model.safetensors"))
	same(t, must(os.ReadFile(onnx))(t), contract(t, "model.onnx"))
	same(t, must(training.model.Bytes())(t), contract(t, "model.safetensors"))
	same(t, must(training.model.ONNX(Whole))(t), contract(t, "model.onnx"))
}

func TestAReloadedModelComputesTheSame(t *testing.T) {
	context := newContext(t)
	dataset := newImages(t, context)
	path := scratch(t, "reload.safetensors")
	ok(t, os.WriteFile(path, contract(t, "model.safetensors"), 0o666))
	filled := must(NewReferenceModel(context, 99))(t)
	ok(t, filled.LoadWeights(path))
	fromMemory := must(ModelFromBytes(context, contract(t, "model.safetensors")))(t)
	for _, model := range []*Model{must(LoadModel(context, path))(t), fromMemory, filled} {
		checkFigures(t, model.Evaluate, dataset)
		x := must(dataset.Get(0))(t)
		y := must(model.Forward(x, 32, 32))(t)
		equal(t, y[0], float32(expected(t, "first")))
		c, h, w, err := model.OutputShape(Encoder, 32, 32)
		ok(t, err)
		equal(t, [3]int{c, h, w}, [3]int{8, 28, 28})
		latent := must(model.Encode(x, 32, 32))(t)
		equal(t, len(latent), 8*28*28)
		same(t, must(model.Decode(latent, 28, 28))(t), y)

		latentToo, yToo := make([]float32, len(latent)), make([]float32, len(y))
		ok(t, model.EncodeInto(latentToo, x, 32, 32))
		same(t, latentToo, latent)
		ok(t, model.DecodeInto(yToo, latent, 28, 28))
		same(t, yToo, y)
		clear(yToo)
		ok(t, model.ForwardInto(yToo, x, 32, 32))
		same(t, yToo, y)
	}
}

func TestACheckpointResumesToTheSameBits(t *testing.T) {
	context := newContext(t)
	whole := newTraining(t, context)
	whole.take(t, 7)
	path := scratch(t, "checkpoint.safetensors")
	ok(t, whole.Save(path))
	whole.take(t, 13)
	whole.checkModel(t)

	resumed := newTraining(t, context)
	ok(t, resumed.Resume(path))
	equal(t, must(resumed.Progress())(t).Step, 7)
	resumed.take(t, 13)
	resumed.checkModel(t)
}

func TestTwoThreadsGiveTheSameBits(t *testing.T) {
	context := newContext(t)
	ok(t, context.SetThreads(2))
	equal(t, context.Threads(), 2)
	training := newTraining(t, context)
	training.take(t, steps)
	training.checkModel(t)
}
