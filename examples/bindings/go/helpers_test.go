// The contract's files, network and training, for all tests. test.sh sets CAE_CONTRACT, the directory with
// what the library's own C program writes, and CAE_SCRATCH, where tests may write.

package cae

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	seed   = 7
	steps  = 20
	images = 320
	pixels = 3 * 32 * 32
)

// variableOf is what test.sh has set.
func variableOf(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set; run test.sh", variable)
	}
	return path
}

func contract(t *testing.T, name string) []byte {
	t.Helper()
	return must(os.ReadFile(filepath.Join(variableOf(t, "CAE_CONTRACT"), name)))(t)
}

func scratch(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(variableOf(t, "CAE_SCRATCH"), "out", name)
	ok(t, os.MkdirAll(filepath.Dir(path), 0o777))
	return path
}

// expected is a number of expected.txt.
func expected(t *testing.T, name string) float64 {
	t.Helper()
	for line := range strings.Lines(string(contract(t, "expected.txt"))) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return must(strconv.ParseFloat(strings.TrimSpace(value), 64))(t)
		}
	}
	t.Fatalf("no %s in expected.txt", name)
	return 0
}

// must(f())(t) is f's value; the test ends if there is none.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		ok(t, err)
		return value
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, found, expected T) {
	t.Helper()
	if found != expected {
		t.Fatalf("found %v, expected %v", found, expected)
	}
}

// same compares all bits of slices; it names the first difference only, since they are long.
func same[T comparable](t *testing.T, found, expected []T) {
	t.Helper()
	equal(t, len(found), len(expected))
	for i := range found {
		if found[i] != expected[i] {
			t.Fatalf("[%d] is %v, expected %v", i, found[i], expected[i])
		}
	}
}

// fails wants an error of a status with some words in its message.
func fails(t *testing.T, err error, status Status, words string) {
	t.Helper()
	var e *Error
	if !errors.Is(err, status) || !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Message, words) {
		t.Fatalf("found %v, expected %v with %q", err, status, words)
	}
}

func newContext(t *testing.T) *Context {
	t.Helper()
	context := must(NewContext(nil))(t)
	t.Cleanup(func() { context.Close() })
	return context
}

func newImages(t *testing.T, context *Context) *Dataset {
	t.Helper()
	return must(NewDataset(context, contract(t, "images.u8"), 3, 32, 32, nil))(t)
}

func referenceByLayers(t *testing.T, context *Context) *Model {
	t.Helper()
	spec := specByLayers(t, context)
	defer spec.Close()
	return must(NewModel(context, spec, seed))(t)
}

func specByLayers(t *testing.T, context *Context) *Spec {
	t.Helper()
	relu := DefaultConvOptions()
	relu.Activation = ReLU
	spec := must(NewSpec(context))(t)
	ok(t, spec.AddConv(3, 8, &relu))
	ok(t, spec.AddConv(8, 8, &relu))
	ok(t, spec.EndEncoder())
	ok(t, spec.AddConvTranspose(8, 8, &relu))
	ok(t, spec.AddConvTranspose(8, 3, nil))
	return spec
}

// training is the contract's, with all its handles.
type training struct {
	*Trainer
	model     *Model
	optimizer *Optimizer
	dataset   *Dataset
}

func newTraining(t *testing.T, context *Context) training {
	t.Helper()
	options := DefaultTrainerOptions()
	options.Batch, options.Seed, options.NoiseSigma = 16, seed, 0.1
	model, dataset := referenceByLayers(t, context), newImages(t, context)
	optimizer := must(NewOptimizer(model, nil))(t)
	return training{must(NewTrainer(model, optimizer, dataset, &options))(t), model, optimizer, dataset}
}

func (tr training) take(t *testing.T, n int) (last Progress) {
	t.Helper()
	for range n {
		last = must(tr.Step())(t)
	}
	return last
}

func (tr training) checkModel(t *testing.T) {
	t.Helper()
	if !bytes.Equal(must(tr.model.Bytes())(t), contract(t, "model.safetensors")) {
		t.Fatal("the model is not that of the contract")
	}
}

func checkFigures(t *testing.T, evaluate func(*Dataset, *EvaluationOptions) (Evaluation, error), dataset *Dataset) {
	t.Helper()
	options := DefaultEvaluationOptions()
	options.NoiseSigma = 0.1
	e := must(evaluate(dataset, &options))(t)
	equal(t, e.Images, images)
	equal(t, e.MSE, expected(t, "mse"))
	equal(t, e.PSNR, expected(t, "psnr"))
	equal(t, e.SSIM, expected(t, "ssim"))
}
