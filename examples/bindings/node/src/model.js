// Model: a network with its parameters; files; running it; evaluation.
import { Context } from './context.js';
import { Dataset } from './dataset.js';
import { Handle, Made } from './handle.js';
import { check, library } from './library.js';
import { enumerator, optionsOf, resultOf } from './options.js';
import { pathOf } from './paths.js';
import { Spec } from './spec.js';

export class Model extends Handle {
  static destroy = 'cae_model_destroy';

  constructor(context, spec, { seed = 1 } = {}) {
    super(context instanceof Made ? context
      : made(context, 'cae_model_create', Handle.address(spec, Spec), seed));
  }

  /** The reference network, 3 -> 8 -> 8 | 8 -> 8 -> 3. */
  static reference(context, { seed = 1 } = {}) {
    return new Model(made(context, 'cae_model_create_reference', seed));
  }

  static load(context, path) {
    return new Model(made(context, 'cae_model_load', pathOf(path)));
  }

  static fromBytes(context, bytes) {
    return new Model(made(context, 'cae_model_load_memory', bytes, bytes.byteLength));
  }

  get parameterCount() {
    return library().cae_model_parameter_count(this.#address);
  }

  get layerCount() {
    return library().cae_model_layer_count(this.#address);
  }

  /** Whether the whole model adds its input to what its layers make of it. */
  get residual() {
    return library().cae_model_residual(this.#address) === 1;
  }

  get tensorNames() {
    const { cae_model_tensor_count: count, cae_model_tensor_name: name } = library();
    return Array.from({ length: count(this.#address) }, (_, i) => name(this.#address, i));
  }

  /** Extents: four for weights, one for biases. */
  tensorShape(name) {
    const shape = new BigInt64Array(4);
    const rank = new Int32Array(1);
    this.#call('cae_model_tensor_shape', shape, rank, this.#address, name);
    return Array.from(shape.subarray(0, rank[0]), Number);
  }

  /** A copy of a tensor; into `out` if given. */
  getTensor(name, out) {
    out ??= new Float32Array(sizeOf(this.tensorShape(name)));
    this.#call('cae_model_get_tensor', out, out.length, this.#address, name);
    return out;
  }

  setTensor(name, values) {
    this.#call('cae_model_set_tensor', this.#address, name, values, values.length);
  }

  /** What a part makes of an input of height x width. */
  outputShape(height, width, part = 'whole') {
    const [c, h, w] = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
    this.#call('cae_model_output_shape', c, h, w, this.#address, null, enumerator('part', part), height, width);
    return { channels: c[0], height: h[0], width: w[0] };
  }

  /** How many channels a part reads and writes. */
  channels(part = 'whole') {
    const [read, written] = [new Int32Array(1), new Int32Array(1)];
    this.#call('cae_model_channels', read, written, this.#address, null, enumerator('part', part));
    return { in: read[0], out: written[0] };
  }

  /** x [count][C][height][width] -> y, both Float32Array, C reading and writing their memory. `out` is
   * where y goes, a new array by default; `context` lends threads and keeps the error text. */
  forward(x, shape) {
    return this.#run('forward', 'whole', x, shape);
  }

  encode(x, shape) {
    return this.#run('encode', 'encoder', x, shape);
  }

  decode(latent, shape) {
    return this.#run('decode', 'decoder', latent, shape);
  }

  /** How well the model reproduces a dataset, or undoes the noise it adds. */
  evaluate(dataset, { context, ...options } = {}) {
    const settings = optionsOf('cae_evaluation_options', options);
    return resultOf('cae_evaluation', (out) =>
      this.#callWith(context, 'cae_model_evaluate', (lent) =>
        [out, this.#address, lent, Handle.address(dataset, Dataset), settings]));
  }

  save(path) {
    this.#call('cae_model_save', this.#address, pathOf(path));
  }

  /** The bytes that save() writes. */
  toBytes() {
    return this.#bytes('cae_model_save_memory', this.#address);
  }

  /** Parameters from a file without an architecture, such as a PyTorch state dict. */
  loadWeights(path) {
    this.#call('cae_model_load_weights', this.#address, pathOf(path));
  }

  exportOnnx(path, part = 'whole') {
    this.#call('cae_model_export_onnx', this.#address, enumerator('part', part), pathOf(path));
  }

  toOnnx(part = 'whole') {
    return this.#bytes('cae_model_export_onnx_memory', this.#address, enumerator('part', part));
  }

  get #address() {
    return Handle.address(this, Model);
  }

  #call(name, ...values) {
    Handle.check(this, library()[name](...values));
  }

  /** A call that takes a context of its own, which then has the text of its error. */
  #callWith(context, name, valuesOf) {
    const lent = context === undefined ? null : Handle.address(context, Context);
    const status = library()[name](...valuesOf(lent));
    if (lent === null) Handle.check(this, status);
    else check(status, lent);
  }

  #run(verb, part, x, { height, width, count, out, context } = {}) {
    if (height === undefined || width === undefined)
      throw new TypeError(`${verb} needs { height, width }`);
    const whole = Math.floor(x.length / (this.channels(part).in * height * width));
    if (out === undefined) {
      const y = this.outputShape(height, width, part);
      out = new Float32Array((count ?? whole) * y.channels * y.height * y.width);
    }
    count ??= Math.max(whole, Math.min(x.length, 1)); // less than one image is C's to refuse
    this.#callWith(context, `cae_model_${verb}`, (lent) =>
      [out, out.length, this.#address, lent, x, x.length, count, height, width]);
    return out;
  }

  /** First the size, then the bytes. */
  #bytes(name, ...rest) {
    const size = new BigUint64Array(1);
    this.#call(name, null, 0, size, ...rest);
    const bytes = new Uint8Array(Number(size[0]));
    this.#call(name, bytes, bytes.length, size, ...rest);
    return bytes;
  }
}

/** Elements of a tensor of this shape. */
export const sizeOf = (shape) => shape.reduce((product, extent) => product * extent, 1);

function made(context, name, ...rest) {
  return Made.from(context, name, [Handle.address(context, Context), ...rest]);
}
