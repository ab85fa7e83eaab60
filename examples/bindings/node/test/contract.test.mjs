// The binding against what the C program of the contract wrote: the same bytes, the same doubles.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import * as cae from 'cae';

const contract = (name) => join(process.env.CAE_CONTRACT, name);
const scratch = (name) => join(process.env.CAE_SCRATCH, name);
const expected = Object.fromEntries(readFileSync(contract('expected.txt'), 'utf8').trim().split('\n')
  .map((line) => line.split(' ')).map(([name, value]) => [name, Number(value)]));
const images = new Uint8Array(readFileSync(contract('images.u8')));

const IMAGE = { channels: 3, height: 32, width: 32 };
const TRAINING = { batch: 16, seed: 7, noiseSigma: 0.1 };
const context = new cae.Context();

function referenceSpec() {
  return new cae.Spec(context)
    .conv(3, 8, { activation: 'relu' })
    .conv(8, 8, { activation: 'relu' })
    .endEncoder()
    .convTranspose(8, 8, { activation: 'relu' })
    .convTranspose(8, 3);
}

function newTrainer({ data = new cae.Dataset(context, images, IMAGE), ...options } = {}) {
  const model = new cae.Model(context, referenceSpec(), { seed: 7 });
  return new cae.Trainer(model, new cae.Optimizer(model), data, { ...TRAINING, ...options });
}

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const same = (a, b) => bytesOf(a).equals(bytesOf(b));
const trained = newTrainer();
const { model } = trained;

test('version and build info', () => {
  assert.match(cae.version(), /^1\.\d+\.\d+$/);
  assert.ok(cae.versionNumber() >= 0x010100);
  assert.equal(cae.abiVersion(), 1);
  assert.match(cae.buildInfo(), /^libcae 1\.\d+\.\d+, .* kernels/);
});

test('context: threads, cpu', () => {
  const own = new cae.Context({ threads: 2, cpu: 'baseline', engine: 'gemm' });
  assert.deepEqual([own.threads, own.cpu], [2, 'baseline']);
  own.threads = 1;
  assert.equal(own.threads, 1);
  assert.throws(() => { own.threads = -1; }, { code: 'ERR_CAE_ARGUMENT', message: /threads is -1/ });
  own.close();
});

test('the reference network, layer by layer', () => {
  const reference = cae.Model.reference(context, { seed: 7n });
  assert.equal(model.parameterCount, 1611);
  assert.equal(model.layerCount, 4);
  assert.deepEqual(model.tensorNames, reference.tensorNames);
  assert.deepEqual(model.tensorNames.slice(0, 3), ['0.weight', '0.bias', '2.weight']);
  assert.deepEqual(model.tensorShape('4.weight'), [8, 8, 3, 3]);
  assert.deepEqual(model.tensorShape('6.bias'), [3]);
  for (const name of model.tensorNames) assert.ok(same(model.getTensor(name), reference.getTensor(name)));
  assert.deepEqual(model.outputShape(32, 32, 'encoder'), { channels: 8, height: 28, width: 28 });
  assert.deepEqual(model.channels('encoder'), { in: 3, out: 8 });
});

test('twenty steps: the loss', () => {
  let progress;
  for (let i = 0; i < 20; i++) progress = trained.step();
  assert.equal(progress.loss, expected.loss);
  assert.deepEqual([progress.step, progress.epoch, progress.epochDone], [20, 1, true]);
  assert.equal(trained.stepsPerEpoch, 20);
  assert.deepEqual(trained.progress, progress);
});

test('a residual network, all that can be drawn, a moving average: loss and bytes', () => {
  const residual = new cae.Model(context, referenceSpec().residual(), { seed: 7 });
  assert.deepEqual([residual.residual, model.residual], [true, false]);
  const trainer = new cae.Trainer(residual, new cae.Optimizer(residual), trained.dataset, {
    batch: 16, seed: 7, loss: 'charbonnier', epsilon: 0.01, noiseSigma: 0.05, noiseSigmaMax: 0.2,
    augment: ['mirror', 'flip', 'transpose'], averageDecay: 0.9,
  });
  let progress;
  for (let i = 0; i < 20; i++) progress = trainer.step();
  assert.equal(progress.loss, expected.residual_loss);
  const average = trainer.average();
  trainer.close();
  assert.ok(average.residual);
  assert.ok(readFileSync(contract('average.safetensors')).equals(average.toBytes()));
  assert.throws(() => newTrainer({ augment: ['turn'] }), /augment.*mirror, flip, transpose/);
});

function assertEvaluates(model) {
  const { mse, psnr, ssim, images } = model.evaluate(trained.dataset, { noiseSigma: 0.1 });
  assert.deepEqual({ mse, psnr, ssim }, { mse: expected.mse, psnr: expected.psnr, ssim: expected.ssim });
  assert.equal(images, 320);
}

test('evaluation', () => assertEvaluates(model));

test('files: the same bytes', (t) => {
  const wanted = readFileSync(contract('model.safetensors'));
  model.save(scratch('model.safetensors'));
  const saved = readFileSync(scratch('model.safetensors'));
  t.diagnostic(`sha256 model.safetensors ${createHash('sha256').update(saved).digest('hex')}`);
  assert.ok(saved.equals(wanted));
  assert.ok(wanted.equals(model.toBytes()));
  model.exportOnnx(pathToFileURL(scratch('model.onnx')));
  const onnx = readFileSync(contract('model.onnx'));
  assert.ok(readFileSync(scratch('model.onnx')).equals(onnx));
  assert.ok(onnx.equals(model.toOnnx()));
});

test('reloaded: evaluation, forward, encode, decode', () => {
  const loaded = cae.Model.load(context, scratch('model.safetensors'));
  assertEvaluates(loaded);
  assertEvaluates(cae.Model.fromBytes(context, model.toBytes()));
  const other = new cae.Model(context, new cae.Spec(context).reference(), { seed: 3 });
  other.loadWeights(scratch('model.safetensors'));
  assertEvaluates(other);

  const x = trained.dataset.get(0);
  const y = loaded.forward(x, { height: 32, width: 32 });
  assert.equal(y.length, 3 * 32 * 32);
  assert.equal(y[0], Math.fround(expected.first));
  const latent = loaded.encode(x, { height: 32, width: 32, context: new cae.Context({ threads: 2 }) });
  assert.equal(latent.length, 8 * 28 * 28);
  const out = new Float32Array(y.length + 2).subarray(1, 1 + y.length);
  assert.equal(loaded.decode(latent, { height: 28, width: 28, out }), out);
  assert.ok(same(out, y));
});

test('tensors and gradients', () => {
  const own = cae.Model.reference(context);
  own.setTensor('6.bias', new Float32Array([1, 2, 3]));
  assert.deepEqual([...own.getTensor('6.bias')], [1, 2, 3]);
  assert.throws(() => own.setTensor('6.bias', new Float32Array([1, NaN, 3])), cae.NumericError);
  assert.throws(() => own.getTensor('7.bias', new Float32Array(3)),
    { code: 'ERR_CAE_NAME', message: /7\.bias/ });
  const gradient = trained.gradient('0.weight');
  assert.equal(gradient.length, 216);
  assert.ok(gradient.some((value) => value !== 0));
});

test('errors: shape, io, format, options', () => {
  assert.throws(() => new cae.Spec(context).conv(3, 8).conv(4, 8),
    (e) => e instanceof cae.ShapeError && e instanceof cae.CaeError && e.status === -3 &&
      e.code === 'ERR_CAE_SHAPE' && e.name === 'ShapeError' && /4.*8|8.*4/.test(e.message));
  assert.throws(() => cae.Model.load(context, scratch('missing')),
    { name: 'IoError', code: 'ERR_CAE_IO', status: -5, message: /missing.*No such file/ });
  writeFileSync(scratch('garbage'), 'not a model, whatever its name says');
  assert.throws(() => cae.Model.load(context, scratch('garbage')), { name: 'FormatError', status: -6 });
  assert.throws(() => newTrainer({ batch: 0 }),
    { name: 'OptionsError', code: 'ERR_CAE_OPTIONS', status: -4, message: /batch is 0/ });
  assert.throws(() => new cae.Context({ threads: 5000 }), // no context, no text of its own
    { name: 'OptionsError', message: 'invalid options' });
});

test('errors: less than one image', () => {
  const [few, none] = [new Float32Array(100), new Float32Array(0)];
  const text = /the input has 100 values, expected 1 x 3x32x32/;
  const shape = { height: 32, width: 32 };
  assert.throws(() => model.forward(few, shape), { name: 'ShapeError', message: text });
  assert.throws(() => model.encode(few, { ...shape, out: none }), { name: 'ShapeError', message: text });
  assert.equal(model.forward(none, shape).length, 0);
  assert.throws(() => new cae.Dataset(context, few, IMAGE),
    { name: 'ShapeError', message: /1 images of 3x32x32 take 12288 bytes, the array has 400/ });
  assert.throws(() => new cae.Dataset(context, none, IMAGE), cae.ArgumentError);
});

test('errors: what C would not notice', () => {
  const spec = new cae.Spec(context);
  assert.throws(() => spec.conv(1.5, 8), { name: 'TypeError', message: /in_channels.*1\.5/ });
  assert.throws(() => spec.conv(2 ** 32 + 3, 8), RangeError);
  assert.throws(() => spec.conv(3, 8, { stroke: 2 }), { name: 'TypeError', message: /stroke/ });
  assert.throws(() => spec.conv(3, 8, { activation: 'swish' }), { name: 'TypeError', message: /relu/ });
  assert.throws(() => spec.conv(3, 8, { activation: 99 }), cae.OptionsError);
  assert.throws(() => new cae.Context({ allocate: 1n }), { name: 'TypeError', message: /allocate/ });
  assert.throws(() => new cae.Model(context, context), { name: 'TypeError', message: /Spec/ });
  assert.throws(() => new cae.Model(context, spec.reference(), { seed: -1 }), RangeError);
  assert.throws(() => model.forward(new Float64Array(3072), { height: 32, width: 32 }),
    { name: 'TypeError', message: /Float32Array.*Float64Array/ });
  assert.throws(() => model.forward(new Float32Array(3071), { count: 1, height: 32, width: 32 }),
    cae.CaeError);
  for (const verb of ['encode', 'decode', 'forward'])
    for (const shape of [undefined, {}, { height: 32 }, 32])
      assert.throws(() => model[verb](new Float32Array(3072), shape),
        { name: 'TypeError', message: `${verb} needs { height, width }` });
  assert.throws(() => cae.mse(new Float32Array(2), new Float32Array(1)), cae.ShapeError);
  assert.throws(() => cae.Model.load(context, 'a\0b'), TypeError);
});

test('a callback stops, a callback throws, training goes on', () => {
  const trainer = newTrainer();
  const seen = [];
  const stopped = trainer.epoch(({ step }) => { seen.push(step); return step < 3; });
  assert.deepEqual(seen, [1, 2, 3]);
  assert.deepEqual([stopped.stopped, stopped.step], [true, 3]);

  const mine = new Error('mine');
  assert.throws(() => trainer.epoch(() => { throw mine; }), (e) => e === mine);
  assert.throws(() => trainer.epoch(() => trainer.close()), { name: 'CaeError', code: 'ERR_CAE_BUSY' });
  assert.equal(trainer.step().step, 6);
  const done = trainer.epoch();
  assert.deepEqual([done.stopped, done.step, done.epochDone], [false, 20, true]);
  assert.equal(trainer.progress.loss, expected.loss);
});

test('close twice, use after close, close in any order', () => {
  const own = new cae.Context();
  const data = cae.Dataset.deadLeaves(own, { count: 4 });
  const part = data.slice(1, 2);
  own.close();
  own.close();
  assert.ok(own.closed);
  assert.throws(() => own.threads, { name: 'ClosedError', code: 'ERR_CAE_CLOSED' });
  assert.throws(() => new cae.Spec(own), cae.ClosedError);
  assert.throws(() => part.get(2), { name: 'ArgumentError', message: /2/ }); // the text outlives close
  data.close();
  assert.equal(part.count, 2);
  part[Symbol.dispose ?? 'close']();
  assert.throws(() => part.count, cae.ClosedError);
});

test('checkpoint and resume: the same bits', () => {
  const first = newTrainer();
  for (let i = 0; i < 7; i++) first.step();
  first.save(scratch('checkpoint'));
  const second = newTrainer();
  second.resume(scratch('checkpoint'));
  assert.equal(second.progress.step, 7);
  for (let i = 7; i < 20; i++) second.step();
  assert.equal(second.progress.loss, expected.loss);
  assert.ok(readFileSync(contract('model.safetensors')).equals(second.model.toBytes()));
});

test('a borrowed dataset is the caller\'s memory', () => {
  for (const make of [(bytes) => new ArrayBuffer(bytes), (bytes) => new SharedArrayBuffer(bytes)]) {
    const pixels = new Float32Array(make(4 * 2 * 3 * 4 * 5));
    const shape = { channels: 3, height: 4, width: 5 };
    const borrowed = new cae.Dataset(context, pixels, { ...shape, borrow: true });
    const copied = new cae.Dataset(context, pixels, shape);
    assert.equal(borrowed.count, 2);
    pixels[60] = 0.5;
    assert.equal(borrowed.get(1)[0], 0.5);
    assert.equal(copied.get(1)[0], 0);
  }
  const small = new Float32Array(3); // V8 starts those within its own heap, which moves
  const tiny = new cae.Dataset(context, small, { channels: 3, height: 1, width: 1, borrow: true });
  globalThis.gc?.();
  small[2] = 0.25;
  assert.deepEqual([...tiny.get(0)], [0, 0, 0.25]);
});

test('borrowed memory: kept alive, and refused when it has gone', async () => {
  const floats = new Float32Array(images.length); // the images as C scales them
  for (let i = 0; i < 320; i++) trained.dataset.get(i, floats.subarray(3072 * i, 3072 * (i + 1)));
  const trainer = newTrainer({
    data: new cae.Dataset(context, floats.slice(), { ...IMAGE, borrow: true }).slice(0),
  });
  for (let i = 0; i < 20; i++) {
    globalThis.gc?.();
    await turn();
    new Float32Array(floats.length).fill(NaN); // takes the place of whatever was freed
    trainer.step();
  }
  assert.equal(trainer.progress.epochLoss, newTrainer().epoch().epochLoss);

  const data = new cae.Dataset(context, floats, { ...IMAGE, borrow: true });
  const own = newTrainer({ data });
  assert.throws(() => own.epoch(() => { structuredClone(floats, { transfer: [floats.buffer] }); }),
    cae.ClosedError);
  assert.throws(() => data.get(0), { name: 'ClosedError', message: /transferred/ });
});

test('bytes NHWC, dead leaves, cifar10', () => {
  const nhwc = Uint8Array.from([0, 255, 51, 102]); // one image of 1x2 pixels, two channels
  const data = new cae.Dataset(context, nhwc,
    { channels: 2, height: 1, width: 2, layout: 'nhwc', scale: 'unit' });
  assert.deepEqual([...data.get(0)], [0, 51 / 255, 1, 102 / 255].map(Math.fround));
  assert.equal(data.range, 1);

  const leaves = cae.Dataset.deadLeaves(context, { count: 320, seed: 7 });
  assert.deepEqual(leaves.shape, IMAGE);
  assert.ok(same(leaves.get(319), trained.dataset.get(319)));

  const records = Buffer.alloc(2 * 3073, 255);
  records[0] = records[3073] = 9;
  writeFileSync(scratch('test_batch.bin'), records);
  const cifar = cae.Dataset.cifar10(context, process.env.CAE_SCRATCH, { split: 'test' });
  assert.equal(cifar.count, 2);
  assert.equal(cifar.get(1)[0], 1);
});

test('metrics and noise', () => {
  const x = trained.dataset.get(0);
  const noisy = cae.addNoise(x.slice(), { sigma: 0.1, seed: 123, visit: cae.VISIT_EVALUATION, image: 0 });
  const one = model.evaluate(trained.dataset.slice(0, 1), { noiseSigma: 0.1 });
  assert.equal(cae.mse(noisy, x), one.noisyMse);
  assert.equal(cae.psnr(noisy, x), one.noisyPsnr);
  assert.equal(cae.ssim(context, noisy, x, IMAGE), one.noisySsim);
  assert.equal(cae.ssim(context, noisy, x, { ...IMAGE, window: 'uniform7' }), one.noisySsimUniform7);
  assert.equal(cae.psnr(x, x), Infinity);
});

test('the collector gives back what nobody closed', { skip: !globalThis.gc }, async () => {
  const before = process.memoryUsage().rss;
  const pixels = new Uint8Array(3 * 1024 * 1024).fill(1);
  for (let i = 0; i < 100; i++) {
    new cae.Dataset(context, pixels, { channels: 3, height: 1024, width: 1024 }); // a copy
    globalThis.gc();
    await turn();
  }
  assert.ok(process.memoryUsage().rss - before < 100e6);
});

test('the README: its install line, its example', () => {
  const readme = readFileSync(process.env.CAE_README, 'utf8');
  const project = scratch('project'); // test.sh makes it, with path/to/libcae in it
  const run = (command) => execFileSync('sh', ['-c', command], { cwd: project, encoding: 'utf8', stdio: 'pipe' });
  run(/^ {4}(npm install .*)$/m.exec(readme)[1]);
  writeFileSync(join(project, 'example.mjs'), /^```js\n(.*?)^```$/ms.exec(readme)[1]);
  assert.match(run('node example.mjs'), /epoch 3: loss .*\nPSNR .* dB/);
});

test('other libraries are refused', () => {
  const load = (path) => execFileSync(process.execPath, ['--input-type=module', '-e', `
    import { version } from 'cae';
    try { console.log(version()); } catch (e) { console.log(e.name, e.code, e.message); }`],
  { env: { ...process.env, CAE_LIBRARY: path }, cwd: process.env.CAE_SCRATCH, encoding: 'utf8' });
  assert.match(load(process.env.CAE_LIBRARY_OLDER),
    /^LibraryError ERR_CAE_LIBRARY .*found libcae 0\.9\.0, needed is 1\.1\.0/);
  assert.match(load(process.env.CAE_LIBRARY_OTHER_ABI),
    /^LibraryError .*9\.0\.0 has ABI version 9, needed is 1/);
  assert.match(load('libm.so.6'), /^LibraryError .*cae_abi_version/);
  assert.match(load(scratch('missing.so')), /^LibraryError .*missing\.so/);
  assert.equal(load(''), `${cae.version()}\n`); // the system's search
});
