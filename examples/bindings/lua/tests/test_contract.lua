-- The C program's results, byte for byte.
local cae = require("cae")
local ffi = require("ffi")
local common = require("common")

local contract, scratch, expected = common.contract, common.scratch, common.expected
local context = cae.context()
local model, trainer, data, progress

local function measured(evaluation)
  return evaluation.mse == expected.mse and evaluation.psnr == expected.psnr and evaluation.ssim == expected.ssim
end

test("version and build info", function()
  assert(cae.abi_version() == 1 and cae.version_number() >= 0x010100)
  assert(cae.version():match("^%d+%.%d+%.%d+$"))
  assert(cae.build_info():find("libcae " .. cae.version(), 1, true) == 1)
  assert(cae.status_string(-2) == "out of memory")
end)

test("the reference network layer by layer: parameters, names, shapes", function()
  model, trainer, data = common.make_trainer(context)
  assert(model:parameter_count() == 1611 and model:layer_count() == 4)
  assert(
    table.concat(model:names(), " ")
      == "0.weight 0.bias 2.weight 2.bias 4.weight 4.bias 6.weight 6.bias"
  )
  assert(table.concat(model:shape("0.weight"), " ") == "8 3 3 3")
  assert(table.concat(model:shape("6.bias"), " ") == "3")
  assert(model:bytes() == context:reference(7):bytes())
  assert(model:bytes() == context:model(context:spec():reference(), 7):bytes())
  assert(table.concat({ model:channels("encoder") }, " ") == "3 8")
  assert(table.concat({ model:output_shape(32, 40, "encoder") }, " ") == "8 28 36")
end)

test("20 steps: the loss is the C program's double", function()
  for _ = 1, 20 do
    progress = trainer:step()
  end
  assert(progress.loss == expected.loss)
  assert(progress.step == 20 and progress.epoch_done)
end)

test("a residual network, all that can be drawn, a moving average: the C program's loss and bytes", function()
  local residual = context:model(common.reference_spec(context):residual(), 7)
  assert(residual:residual() and not context:reference(7):residual())
  local at_work = residual:trainer(residual:optimizer(), data, {
    batch = 16, seed = 7, loss = "charbonnier", epsilon = 0.01, noise_sigma = 0.05, noise_sigma_max = 0.2,
    augment = { "mirror", "flip", "transpose" }, average_decay = 0.9,
  })
  local last
  for _ = 1, 20 do
    last = at_work:step()
  end
  assert(last.loss == expected.residual_loss)
  local average = at_work:average()
  at_work:close()
  assert(average:residual() and average:bytes() == common.read(contract .. "/average.safetensors"))
end)

test("evaluation with noise: mse, psnr and ssim are the C program's doubles", function()
  local evaluation = model:evaluate(data, { noise_sigma = 0.1 })
  assert(evaluation.images == 320 and measured(evaluation))
  assert(measured(model:evaluate(data, { noise_sigma = 0.1, context = cae.context({ threads = 2 }) })))
end)

test("model file and ONNX file, on disk and in memory: the C program's bytes", function()
  local path = scratch .. "/model.safetensors"
  model:save(path)
  local sum = common.shell("sha256sum " .. common.quote(path) .. " || shasum -a 256 " .. common.quote(path))
  print("# sha256 model.safetensors " .. (sum:match("%x+") or "?"))
  local bytes = common.read(path)
  assert(bytes == common.read(contract .. "/model.safetensors") and bytes == model:bytes())
  model:export_onnx(scratch .. "/model.onnx")
  local onnx = common.read(scratch .. "/model.onnx")
  assert(onnx == common.read(contract .. "/model.onnx") and onnx == model:onnx())
  assert(onnx ~= model:onnx("encoder"))
end)

test("reloaded from disk and memory: the same evaluation, output, latent", function()
  local path = contract .. "/model.safetensors"
  local filled = context:reference(1)
  filled:load_weights(path)
  local x = data:get(0)
  for _, again in ipairs({ context:load(path), context:load_bytes(common.read(path)), filled }) do
    assert(measured(again:evaluate(data, { noise_sigma = 0.1 })))
    local y = again:forward(x, 1, 32, 32)
    assert(y[0] == ffi.new("float[1]", expected.first)[0])
    local latent, channels, height, width = again:encode(x, 1, 32, 32)
    assert(channels == 8 and height == 28 and width == 28)
    assert(common.same(again:decode(latent, 1, 28, 28), y, common.pixels))
  end
end)

test("checkpoint and resume: the same bits as without a break", function()
  local path = scratch .. "/checkpoint.safetensors"
  local first, unbroken = common.make_trainer(cae.context())
  for _ = 1, 7 do
    unbroken:step()
  end
  unbroken:save(path)
  local second, resumed = common.make_trainer(cae.context({ threads = 2 }))
  resumed:resume(path)
  assert(resumed:progress().step == 7)
  for _ = 1, 6 do
    assert(unbroken:step().loss == resumed:step().loss)
  end
  assert(first:bytes() == second:bytes())
end)

test("tensors go in and out by name, the gradient has its norm", function()
  local one, other = context:reference(3), context:reference(4)
  for _, name in ipairs(one:names()) do
    other:set(name, (one:get(name)))
  end
  assert(one:bytes() == other:bytes())
  one:set("6.bias", { 1, 2, 3 })
  local bias, size = one:get("6.bias")
  assert(size == 3 and bias[0] == 1 and bias[2] == 3)

  local sum = 0
  local fresh, at_work = common.make_trainer(context)
  local norm = at_work:step().gradient_norm
  for _, name in ipairs(fresh:names()) do
    local gradient, count = at_work:gradient(name)
    for index = 0, count - 1 do
      sum = sum + gradient[index] ^ 2
    end
  end
  assert(math.abs(math.sqrt(sum) - norm) < 1e-5 * norm)
end)

test("mse, psnr and ssim of one image; the noise of an evaluation", function()
  local one = data:slice(5, 1)
  local found, x = model:evaluate(one), one:get(0)
  local y = model:forward(x, 1, 32, 32)
  assert(cae.mse(y, x) == found.mse and cae.psnr(y, x, 2) == found.psnr)
  assert(cae.psnr(x, x, 2) == math.huge)
  assert(context:ssim(y, x, { 3, 32, 32 }, one:range()) == found.ssim)
  assert(context:ssim(y, x, { 3, 32, 32 }, 2, "uniform7") == found.ssim_uniform7)
  local noisy = one:get(0)
  cae.add_noise(noisy, 0.1, 123, cae.EVALUATION_VISIT, 0)
  assert(cae.mse(noisy, x) == model:evaluate(one, { noise_sigma = 0.1 }).noisy_mse)
end)

test("threads change nothing but the time; rate and options arrive", function()
  local both = cae.context({ threads = 2, engine = "gemm", cpu = "baseline" })
  assert(both:threads() == 2 and both:cpu() == "baseline")
  local first, by_two = common.make_trainer(both)
  local second, by_one = common.make_trainer(cae.context({ engine = "gemm", cpu = "baseline" }))
  assert(by_two:epoch().loss == by_one:epoch().loss and first:bytes() == second:bytes())
  both:set_threads(1)
  assert(both:threads() == 1)

  local sgd = first:optimizer({ kind = "sgd", learning_rate = 0.5, momentum = 0.9, nesterov = true })
  sgd:set_learning_rate(0.25)
  assert(sgd:learning_rate() == 0.25)
  local options = { batch = 100, schedule = "cosine", warmup_steps = 2, decay_steps = 10, seed = 7ULL }
  local slow = first:trainer(sgd, both:dataset(common.images, common.shape), options)
  assert(slow:steps_per_epoch() == 4 and slow:step().learning_rate == 0.125)
end)
