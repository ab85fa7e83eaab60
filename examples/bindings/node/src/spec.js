// Spec: a list of layers. Its methods return it, so that a network reads from top to bottom.
import { Context } from './context.js';
import { Handle, Made } from './handle.js';
import { library } from './library.js';
import { optionsOf } from './options.js';

export class Spec extends Handle {
  static destroy = 'cae_spec_destroy';

  constructor(context) {
    super(Made.from(context, 'cae_spec_create', [Handle.address(context, Context)]));
  }

  /** [inChannels][H][W] -> [outChannels][P][Q],
   *  P = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 */
  conv(inChannels, outChannels, options) {
    return this.#add('cae_spec_add_conv', inChannels, outChannels, optionsOf('cae_conv_options', options));
  }

  /** The adjoint: P = (H - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1 */
  convTranspose(inChannels, outChannels, options) {
    return this.#add('cae_spec_add_conv_transpose', inChannels, outChannels,
      optionsOf('cae_conv_options', options));
  }

  endEncoder() {
    return this.#add('cae_spec_end_encoder');
  }

  /** A whole model gives its input plus what its layers make of it, y = x + f(x). */
  residual(residual = true) {
    return this.#add('cae_spec_set_residual', +residual);
  }

  /** The four layers of the reference network. */
  reference() {
    return this.#add('cae_spec_add_reference');
  }

  #add(name, ...rest) {
    Handle.check(this, library()[name](Handle.address(this, Spec), ...rest));
    return this;
  }
}
