// Metrics and noise on plain Float32Arrays.
import { ShapeError } from './errors.js';
import { Context } from './context.js';
import { Handle } from './handle.js';
import { check, library } from './library.js';
import { enumerator } from './options.js';

/** The visit of evaluation's noise. */
export const VISIT_EVALUATION = 0xffffffff;

/** Mean squared difference. */
export function mse(a, b) {
  return measure('cae_mse', null, a, b, a.length);
}

/** 10 log10(range^2 / mse), in dB. */
export function psnr(a, b, { range = 2 } = {}) {
  return measure('cae_psnr', null, a, b, a.length, range);
}

/** Structural similarity of two images [channels][height][width]. */
export function ssim(context, a, b, { channels, height, width, range = 2, window = 'gaussian11' }) {
  requireLength(a, channels * height * width);
  return measure('cae_ssim', Handle.address(context, Context), a, b, channels, height, width, range,
    enumerator('window', window));
}

/** Add Gaussian noise to one image in place: a function of (seed, visit, image) alone. */
export function addNoise(values, { sigma, seed = 1, visit = 0, image = 0 }) {
  check(library().cae_add_noise(values, values.length, sigma, seed, visit, image), null);
  return values;
}

function measure(name, context, a, b, ...rest) {
  requireLength(b, a.length);
  const out = new Float64Array(1);
  check(library()[name](out, context, a, b, ...rest), context);
  return out[0];
}

/** C takes one length for both and believes it. */
function requireLength(array, length) {
  if (array.length !== length)
    throw new ShapeError(`expected ${length} values, found ${array.length}`);
}
