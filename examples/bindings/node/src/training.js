// Optimizer and Trainer. Nothing runs unless step() or epoch() is called, and both return when done.
import { Dataset } from './dataset.js';
import { refuse } from './checks.js';
import { Handle, Made } from './handle.js';
import { library } from './library.js';
import { Model, sizeOf } from './model.js';
import { objectOf, optionsOf, resultOf } from './options.js';
import { pathOf } from './paths.js';

const STOPPED = 1;

export class Optimizer extends Handle {
  static destroy = 'cae_optimizer_destroy';

  constructor(model, options) {
    super(Made.from(model, 'cae_optimizer_create',
      [Handle.address(model, Model), optionsOf('cae_optimizer_options', options)]));
  }

  /** The base rate that a schedule multiplies. */
  get learningRate() {
    return library().cae_optimizer_learning_rate(Handle.address(this, Optimizer));
  }

  set learningRate(rate) {
    Handle.check(this,
      library().cae_optimizer_set_learning_rate(Handle.address(this, Optimizer), rate));
  }
}

export class Trainer extends Handle {
  static destroy = 'cae_trainer_destroy';

  constructor(model, optimizer, dataset, options) {
    const addresses = [Handle.address(model, Model), Handle.address(optimizer, Optimizer),
      Handle.address(dataset, Dataset)];
    // The dataset may come from another context, whose log function then has to live as long, too.
    const { borrowed, log } = Handle.inherit(dataset);
    super(Made.from(model, 'cae_trainer_create', [...addresses, optionsOf('cae_trainer_options', options)],
      { borrowed, log: [Handle.inherit(model).log, log] }));
    Object.assign(this, { model, optimizer, dataset });
  }

  /** One optimizer step on the next batch. */
  step() {
    return this.#progress((out) =>
      Handle.check(this, library().cae_trainer_step(out, this.#address)));
  }

  /** Steps to the end of the epoch. `onStep(progress)` runs after each: `false` ends the call early,
   * what it throws does too and arrives here; either way the trainer goes on from there. */
  epoch(onStep) {
    let thrown = null;
    let status;
    const callback = onStep === undefined ? null : (_, progress) => {
      try {
        if (onStep(progressOf(objectOf('cae_progress', progress))) === false) return 1;
        this.#address; // has the callback transferred the borrowed memory away?
        return 0;
      } catch (error) {
        thrown = { error };
        return 1;
      }
    };
    if (callback && typeof onStep !== 'function') refuse(TypeError, 'onStep', 'a function', onStep);
    const progress = this.#progress((out) => {
      status = Handle.during(this, () => library().cae_trainer_epoch(out, this.#address, callback, null));
      if (thrown) throw thrown.error;
      Handle.check(this, status);
    });
    return { ...progress, stopped: status === STOPPED };
  }

  /** Where training stands. */
  get progress() {
    return this.#progress((out) =>
      Handle.check(this, library().cae_trainer_progress(out, this.#address)));
  }

  get stepsPerEpoch() {
    return library().cae_trainer_steps_per_epoch(this.#address);
  }

  /** The last step's gradient of a tensor, after clipping; into `out` if given. */
  gradient(name, out) {
    out ??= new Float32Array(sizeOf(this.model.tensorShape(name)));
    Handle.check(this, library().cae_trainer_get_gradient(out, out.length, this.#address, name));
    return out;
  }

  /** A model of its own with the moving average of the parameters; without averaging, as they are. */
  average() {
    return new Model(Made.from(this, 'cae_trainer_average', [this.#address]));
  }

  /** Write a checkpoint: a model file that also resumes. */
  save(path) {
    Handle.check(this, library().cae_trainer_save(this.#address, pathOf(path)));
  }

  /** Continue from a checkpoint, to the same bits as if training had never stopped. */
  resume(path) {
    Handle.check(this, library().cae_trainer_resume(this.#address, pathOf(path)));
  }

  get #address() {
    return Handle.address(this, Trainer);
  }

  #progress(fill) {
    return progressOf(resultOf('cae_progress', fill));
  }
}

const progressOf = (progress) => ({ ...progress, epochDone: progress.epochDone === 1 });
