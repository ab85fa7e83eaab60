// How well a model does.

package cae

// #include <cae/cae.h>
import "C"

import "unsafe"

// EvaluationOptions say how to evaluate.
type EvaluationOptions struct {
	NoiseSigma float64 // 0; Gaussian noise added to the input
	NoiseSeed  uint64  // 123
}

// DefaultEvaluationOptions are what nil stands for.
func DefaultEvaluationOptions() EvaluationOptions {
	var o C.cae_evaluation_options
	C.cae_evaluation_options_init(&o, C.uint32_t(unsafe.Sizeof(o)))
	return EvaluationOptions{NoiseSigma: float64(o.noise_sigma), NoiseSeed: uint64(o.noise_seed)}
}

func (o *EvaluationOptions) c() *C.cae_evaluation_options {
	if o == nil {
		return nil
	}
	c := new(C.cae_evaluation_options)
	C.cae_evaluation_options_init(c, C.uint32_t(unsafe.Sizeof(*c)))
	c.noise_sigma, c.noise_seed = C.double(o.NoiseSigma), C.uint64_t(o.NoiseSeed)
	return c
}

// Evaluation has means over the images, with the dataset's range. SSIM is NaN for images smaller than its
// window, PSNR +Inf when an image is reproduced exactly. Noisy compares the input, the others the output, with
// the clean image.
type Evaluation struct {
	Images            int     // images compared
	MSE               float64 // mean squared error
	PSNR              float64 // mean over images, dB
	PSNRGlobal        float64 // of the mean MSE, dB
	SSIM              float64 // SSIMGaussian11
	SSIMUniform7      float64 // SSIMUniform7
	NoisyMSE          float64
	NoisyPSNR         float64
	NoisySSIM         float64
	NoisySSIMUniform7 float64
}

// Evaluate runs the model over a dataset and compares.
func (r *Runner) Evaluate(dataset *Dataset, options *EvaluationOptions) (Evaluation, error) {
	e := new(C.cae_evaluation)
	C.cae_evaluation_init(e, C.uint32_t(unsafe.Sizeof(*e)))
	err := call(func() C.cae_status {
		return C.cae_model_evaluate(e, r.model.c(), r.lender.core.context, dataset.c(), options.c())
	}, r.lender, &r.model.handle, &dataset.handle)
	return Evaluation{
		Images:            int(e.images),
		MSE:               float64(e.mse),
		PSNR:              float64(e.psnr),
		PSNRGlobal:        float64(e.psnr_global),
		SSIM:              float64(e.ssim),
		SSIMUniform7:      float64(e.ssim_uniform7),
		NoisyMSE:          float64(e.noisy_mse),
		NoisyPSNR:         float64(e.noisy_psnr),
		NoisySSIM:         float64(e.noisy_ssim),
		NoisySSIMUniform7: float64(e.noisy_ssim_uniform7),
	}, err
}

// Evaluate runs the model over a dataset and compares.
func (m *Model) Evaluate(dataset *Dataset, options *EvaluationOptions) (Evaluation, error) {
	return m.own().Evaluate(dataset, options)
}
