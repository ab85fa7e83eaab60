package org.libcae;

/**
 * How well a model does; `noisy` compares the input, the others the output, with the clean image. PSNR is
 * in dB. SSIM is NaN for images smaller than its window.
 */
public record Evaluation(long images, double mse, double psnr, double psnrGlobal, double ssim,
                         double ssimUniform7, double noisyMse, double noisyPsnr, double noisySsim,
                         double noisySsimUniform7) {
    static Evaluation of(Structs.Evaluation from) {
        return new Evaluation(from.images, from.mse, from.psnr, from.psnr_global, from.ssim,
            from.ssim_uniform7, from.noisy_mse, from.noisy_psnr, from.noisy_ssim,
            from.noisy_ssim_uniform7);
    }
}
