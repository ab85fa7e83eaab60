/// <reference types="node" />

/** Convolutional auto-encoders on the CPU, through libcae. Images are float32, NCHW, dense, row-major. */

/** A path as node's fs takes it. */
export type Path = string | URL;
/** 64 bits: a number while it is exact. */
export type Integer64 = number | bigint;

export function version(): string;
export function versionNumber(): number;
export function abiVersion(): number;
export function buildInfo(): string;

/** The base of all that owns something in C: close() it, or leave it to `using` or the collector. */
declare abstract class Handle {
  readonly closed: boolean;
  close(): void;
  [Symbol.dispose](): void;
}

export interface ContextOptions {
  /** 1; 0 is one per available processor. */
  threads?: number;
  engine?: 'auto' | 'gemm' | 'direct';
  cpu?: 'auto' | 'baseline' | 'avx2' | 'avx512';
  log?: (level: 'info' | 'warning', text: string) => void;
}

/** Threads, instruction set, log and error text. */
export class Context extends Handle {
  constructor(options?: ContextOptions);
  threads: number;
  readonly cpu: 'baseline' | 'avx2' | 'avx512';
}

/** A number for both directions, or [vertical, horizontal]. */
export type Pair = number | [number, number];

export interface ConvOptions {
  /** 3 */
  kernel?: Pair;
  /** 1 */
  stride?: Pair;
  /** 0 */
  padding?: Pair;
  /** 1 */
  dilation?: Pair;
  /** 0; transposed convolution only */
  outputPadding?: Pair;
  /** true */
  bias?: boolean;
  /** 'none' */
  activation?: 'none' | 'relu' | 'leakyRelu' | 'tanh' | 'sigmoid';
  /** 0.01, of leakyRelu */
  slope?: number;
}

/** A list of layers, to make models from. */
export class Spec extends Handle {
  constructor(context: Context);
  conv(inChannels: number, outChannels: number, options?: ConvOptions): this;
  convTranspose(inChannels: number, outChannels: number, options?: ConvOptions): this;
  endEncoder(): this;
  /** @param residual true: a whole model gives its input plus what its layers make of it */
  residual(residual?: boolean): this;
  reference(): this;
}

export type Part = 'encoder' | 'decoder' | 'whole';

export interface ImageShape {
  channels: number;
  height: number;
  width: number;
}

export interface RunOptions {
  height: number;
  width: number;
  /** As many images as x holds. */
  count?: number;
  /** Where the result goes: a new array. */
  out?: Float32Array;
  /** Whose threads, scratch and error text are used: the model's own. */
  context?: Context;
}

export interface EvaluationOptions {
  /** 123 */
  noiseSeed?: Integer64;
  /** 0 */
  noiseSigma?: number;
  context?: Context;
}

/** `noisy` compares the input, the others the output, with the clean image. */
export interface Evaluation {
  images: number;
  mse: number;
  psnr: number;
  psnrGlobal: number;
  ssim: number;
  ssimUniform7: number;
  noisyMse: number;
  noisyPsnr: number;
  noisySsim: number;
  noisySsimUniform7: number;
}

/** A network with its parameters. */
export class Model extends Handle {
  /** @param options.seed of the initialization, 1 */
  constructor(context: Context, spec: Spec, options?: { seed?: Integer64 });
  static reference(context: Context, options?: { seed?: Integer64 }): Model;
  static load(context: Context, path: Path): Model;
  static fromBytes(context: Context, bytes: Uint8Array): Model;

  readonly parameterCount: number;
  readonly layerCount: number;
  readonly residual: boolean;
  readonly tensorNames: string[];
  tensorShape(name: string): number[];
  getTensor(name: string, out?: Float32Array): Float32Array;
  setTensor(name: string, values: Float32Array): void;
  outputShape(height: number, width: number, part?: Part): ImageShape;
  channels(part?: Part): { in: number; out: number };

  forward(x: Float32Array, options: RunOptions): Float32Array;
  encode(x: Float32Array, options: RunOptions): Float32Array;
  decode(latent: Float32Array, options: RunOptions): Float32Array;
  evaluate(dataset: Dataset, options?: EvaluationOptions): Evaluation;

  save(path: Path): void;
  toBytes(): Uint8Array;
  loadWeights(path: Path): void;
  exportOnnx(path: Path, part?: Part): void;
  toOnnx(part?: Part): Uint8Array;
}

export type Scale = 'signed' | 'unit';

export interface MemoryOptions extends ImageShape {
  /** As many images as the array holds. */
  count?: number;
  /** 'nchw' */
  layout?: 'nchw' | 'nhwc';
  /** 'signed': [-1, 1]; 'unit': [0, 1] */
  scale?: Scale;
  /** false: copy. true: read the array's own memory, which must then stay as it is. */
  borrow?: boolean;
}

/** Images of one shape, by index. */
export class Dataset extends Handle {
  /** Bytes 0 to 255, or float32 values already in range. */
  constructor(context: Context, data: Uint8Array | Uint8ClampedArray | Float32Array, options: MemoryOptions);
  static cifar10(context: Context, directory: Path,
    options?: { split?: 'train' | 'test'; scale?: Scale }): Dataset;
  static deadLeaves(context: Context,
    options: { count: number; seed?: Integer64; scale?: Scale } & Partial<ImageShape>): Dataset;

  slice(first: number, count?: number): Dataset;
  readonly count: number;
  readonly shape: ImageShape;
  readonly range: number;
  get(index: number, out?: Float32Array): Float32Array;
}

export const VISIT_EVALUATION: number;
export function mse(a: Float32Array, b: Float32Array): number;
export function psnr(a: Float32Array, b: Float32Array, options?: { range?: number }): number;
export function ssim(context: Context, a: Float32Array, b: Float32Array,
  options: ImageShape & { range?: number; window?: 'gaussian11' | 'uniform7' }): number;
/** In place; `seed` is 1, `visit` and `image` are 0 by default. */
export function addNoise(values: Float32Array,
  options: { sigma: number; seed?: Integer64; visit?: number; image?: Integer64 }): Float32Array;

export interface OptimizerOptions {
  /** 'adam' */
  kind?: 'sgd' | 'adam' | 'adamw';
  /** 1e-3 */
  learningRate?: number;
  /** 0; SGD */
  momentum?: number;
  /** 0.9 */
  beta1?: number;
  /** 0.999 */
  beta2?: number;
  /** 1e-8 */
  epsilon?: number;
  /** 0 */
  weightDecay?: number;
  /** false; SGD with momentum */
  nesterov?: boolean;
}

/** An update rule and its moments, for one model. */
export class Optimizer extends Handle {
  constructor(model: Model, options?: OptimizerOptions);
  learningRate: number;
}

export interface TrainerOptions {
  /** 64 */
  batch?: number;
  /** 1: keys the shuffle and the noise */
  seed?: Integer64;
  /** 'mse' */
  loss?: 'mse' | 'l1' | 'huber' | 'charbonnier';
  /** true */
  shuffle?: boolean;
  /** 1 */
  huberDelta?: number;
  /** 0: Gaussian noise added to the input, never to the target */
  noiseSigma?: number;
  /** 0: off */
  clipNorm?: number;
  /** 'constant' */
  schedule?: 'constant' | 'step' | 'cosine';
  /** 0 */
  warmupSteps?: Integer64;
  /** 0 */
  decaySteps?: Integer64;
  /** 0.1 */
  decayFactor?: number;
  /** 0 */
  finalFraction?: number;
  /** 0; above: each visit of an image draws its sigma between noiseSigma and this */
  noiseSigmaMax?: number;
  /** 0: off; below 1: average() gives a moving average of the parameters */
  averageDecay?: number;
  /** 0, which is 1e-3; of charbonnier */
  epsilon?: number;
  /** 0; above: this times 1 - SSIM is added to the loss */
  ssimWeight?: number;
  /** []: what may happen to an image, drawn by halves for each visit */
  augment?: ('mirror' | 'flip' | 'transpose')[];
}

export interface Progress {
  epochDone: boolean;
  step: number;
  epoch: number;
  images: number;
  loss: number;
  epochLoss: number;
  learningRate: number;
  gradientNorm: number;
}

/** A model, its optimizer and a dataset, at work. */
export class Trainer extends Handle {
  constructor(model: Model, optimizer: Optimizer, dataset: Dataset, options?: TrainerOptions);
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly dataset: Dataset;
  readonly progress: Progress;
  readonly stepsPerEpoch: number;
  step(): Progress;
  /** `false` from onStep ends the call; what onStep throws is thrown here. */
  epoch(onStep?: (progress: Progress) => boolean | void): Progress & { stopped: boolean };
  gradient(name: string, out?: Float32Array): Float32Array;
  /** A model of its own with the moving average of the parameters. */
  average(): Model;
  save(path: Path): void;
  resume(path: Path): void;
}

/** What the library refuses: `message` is its text, `status` its cae_status, `code` such as "ERR_CAE_SHAPE". */
export class CaeError extends Error {
  readonly code: string;
  readonly status: number | null;
}
export class ArgumentError extends CaeError {}
export class MemoryError extends CaeError {}
export class ShapeError extends CaeError {}
export class OptionsError extends CaeError {}
export class IoError extends CaeError {}
export class FormatError extends CaeError {}
export class NumericError extends CaeError {}
export class UnsupportedError extends CaeError {}
export class NameError extends CaeError {}
/** Used after close(), or after borrowed memory was transferred away. */
export class ClosedError extends CaeError {}
/** The shared library is missing or not one that this package can use. */
export class LibraryError extends CaeError {}
