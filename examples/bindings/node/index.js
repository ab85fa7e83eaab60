// cae: convolutional auto-encoders on the CPU, through libcae.
import { library, textOf } from './src/library.js';

export { Context } from './src/context.js';
export { Dataset } from './src/dataset.js';
export {
  ArgumentError, CaeError, ClosedError, FormatError, IoError, LibraryError, MemoryError, NameError,
  NumericError, OptionsError, ShapeError, UnsupportedError,
} from './src/errors.js';
export { VISIT_EVALUATION, addNoise, mse, psnr, ssim } from './src/metrics.js';
export { Model } from './src/model.js';
export { Spec } from './src/spec.js';
export { Optimizer, Trainer } from './src/training.js';

/** The loaded library's version, "1.1.0". */
export const version = () => library().cae_version_string();

/** major << 16 | minor << 8 | patch */
export const versionNumber = () => library().cae_version_number();

export const abiVersion = () => library().cae_abi_version();

/** How the library was built and what it found, in one line. */
export const buildInfo = () => textOf(library().cae_build_info);
