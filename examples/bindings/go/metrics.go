// Metrics on plain slices, in double precision.

package cae

// #include <cae/cae.h>
import "C"

import "fmt"

// SSIMKind is a window of SSIM.
type SSIMKind int32

const (
	SSIMGaussian11 SSIMKind = C.CAE_SSIM_GAUSSIAN11 // Wang et al. 2004: 11x11 Gaussian, population moments
	SSIMUniform7   SSIMKind = C.CAE_SSIM_UNIFORM7   // scikit-image's default: 7x7 uniform, sample moments
)

// MSE is the mean squared difference.
func MSE(a, b []float32) (float64, error) {
	if len(a) != len(b) {
		return 0, unequal(a, b)
	}
	x, count := floats(a)
	y, _ := floats(b)
	var value C.double
	return plain(C.cae_mse(&value, nil, x, y, count), &value)
}

// PSNR is 10 log10(dataRange^2 / MSE); +Inf for equal slices.
func PSNR(a, b []float32, dataRange float64) (float64, error) {
	if len(a) != len(b) {
		return 0, unequal(a, b)
	}
	x, count := floats(a)
	y, _ := floats(b)
	var value C.double
	return plain(C.cae_psnr(&value, nil, x, y, count, C.double(dataRange)), &value)
}

// SSIM is the structural similarity of two images [channels][height][width]: the mean over the positions where
// the window fits, then over channels.
func SSIM(context *Context, a, b []float32, channels, height, width int, dataRange float64, kind SSIMKind) (
	float64, error) {
	if len(a) != len(b) {
		return 0, unequal(a, b)
	}
	if imagesIn(len(a), channels, height, width) != 1 || channels*height*width != len(a) {
		return 0, &Error{ErrShape,
			fmt.Sprintf("an image of %dx%dx%d is not made of %d values", channels, height, width, len(a))}
	}
	x, _ := floats(a)
	y, _ := floats(b)
	var value C.double
	err := call(func() C.cae_status {
		return C.cae_ssim(&value, context.c(), x, y, c32(channels), c32(height), c32(width),
			C.double(dataRange), C.int32_t(kind))
	}, &context.handle)
	return float64(value), err
}

func unequal(a, b []float32) error {
	return &Error{ErrShape, fmt.Sprintf("%d values against %d", len(a), len(b))}
}

// plain is the result of a call without a context.
func plain(status C.cae_status, value *C.double) (float64, error) {
	if status != C.CAE_OK {
		return 0, &Error{Status: Status(status)}
	}
	return float64(*value), nil
}
