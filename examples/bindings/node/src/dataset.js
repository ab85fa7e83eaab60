// Dataset: images of one shape, by index.
import { refuse } from './checks.js';
import { Context } from './context.js';
import { Handle, Made } from './handle.js';
import { library } from './library.js';
import { enumerator, optionsOf } from './options.js';
import { pathOf } from './paths.js';

export class Dataset extends Handle {
  static destroy = 'cae_dataset_destroy';

  /** Images in memory: a Uint8Array of bytes, or a Float32Array already scaled.
   *  With `borrow`, C reads the array's own memory as long as the dataset, its slices and trainers live;
   *  they keep the array alive. V8 never moves the memory of an ArrayBuffer, but its owner may transfer it
   *  away (later use throws ClosedError) or resize it (refused here). */
  constructor(context, data, images) {
    super(context instanceof Made ? context : inMemory(context, data, images));
  }

  /** A directory of CIFAR-10's binary files. */
  static cifar10(context, directory, { split = 'train', scale } = {}) {
    return new Dataset(Made.from(context, 'cae_dataset_open_cifar10',
      [Handle.address(context, Context), pathOf(directory), enumerator('split', split),
        optionsOf('cae_dataset_options', { scale })]));
  }

  /** The built-in images: occluding textured discs. */
  static deadLeaves(context, { count, channels = 3, height = 32, width = 32, seed = 1, scale }) {
    return new Dataset(Made.from(context, 'cae_dataset_create_dead_leaves',
      [Handle.address(context, Context), count, channels, height, width, seed,
        optionsOf('cae_dataset_options', { scale })]));
  }

  /** `count` images from `first` on, without a copy. */
  slice(first, count = this.count - first) {
    return new Dataset(Made.from(this, 'cae_dataset_slice', [this.#address, first, count]));
  }

  get count() {
    return library().cae_dataset_count(this.#address);
  }

  get shape() {
    const [c, h, w] = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
    Handle.check(this, library().cae_dataset_shape(c, h, w, this.#address));
    return { channels: c[0], height: h[0], width: w[0] };
  }

  /** Largest possible value less the smallest: 2 or 1. */
  get range() {
    return library().cae_dataset_range(this.#address);
  }

  /** One image, scaled, [channels][height][width]; into `out` if given. */
  get(index, out) {
    const { channels, height, width } = this.shape;
    out ??= new Float32Array(channels * height * width);
    Handle.check(this, library().cae_dataset_get(out, out.length, this.#address, index));
    return out;
  }

  get #address() {
    return Handle.address(this, Dataset);
  }
}

function inMemory(context, data, { channels, height, width, count, layout, scale, borrow, ...unknown }) {
  const type = data instanceof Float32Array ? 'f32' : 'u8'; // what is neither is refused by the call
  const options = optionsOf('cae_dataset_options', { type, layout, scale, borrow, ...unknown });
  const whole = Math.floor(data.length / (channels * height * width));
  count ??= Math.max(whole, Math.min(data.length, 1)); // less than one image is C's to refuse
  if (borrow && (data.buffer?.resizable || data.buffer?.growable))
    refuse(TypeError, 'data', 'memory of a fixed size, to borrow', data.buffer);
  // An empty array has nothing to borrow, nor to lose.
  return Made.from(context, 'cae_dataset_create', [Handle.address(context, Context), data,
    data.byteLength, count, channels, height, width, options],
  { borrowed: borrow && data.byteLength ? data : null });
}
