-- Metrics and noise on plain arrays of floats, in double precision. No clipping, no rounding.
local ffi = require("ffi")
local lib = require("cae.library")
local Context = require("cae.context")
local buffers = require("cae.buffers")
local enums = require("cae.enums")
local errors = require("cae.errors")
local handle = require("cae.handle")
local numbers = require("cae.numbers")

jit.off(true, true) -- see handle.lua

local metrics = {}

-- Two arrays and their length, which must be the same, and `count` if that is given.
local function two(a, b, count)
  local x, x_count = buffers.of_floats(a, "a", count)
  local y, y_count = buffers.of_floats(b, "b", count)
  if x_count ~= y_count or x_count ~= (count or x_count) then
    errors.raise(
      "SHAPE", lib.CAE_ERR_SHAPE, "arrays of %d and %d values, expected %d", x_count, y_count, count or x_count
    )
  end
  return x, y, x_count
end

-- Mean squared difference of two arrays. `count` is for pointers, which do not know theirs.
function metrics.mse(a, b, count)
  local out, x, y, n = ffi.new("double[1]"), two(a, b, count)
  handle.check(lib.cae_mse(out, nil, x, y, n), nil)
  return out[0]
end

-- 10 log10(range^2 / MSE) in dB; infinite for equal arrays.
function metrics.psnr(a, b, range, count)
  local out, x, y, n = ffi.new("double[1]"), two(a, b, count)
  handle.check(lib.cae_psnr(out, nil, x, y, n, numbers.double(range, "range")), nil)
  return out[0]
end

-- Structural similarity of two images; `shape` is {channels, height, width}, kind "gaussian11".
function Context:ssim(a, b, shape, range, kind)
  local channels = numbers.int32(shape[1], "channels")
  local height, width = numbers.int32(shape[2], "height"), numbers.int32(shape[3], "width")
  local out, x, y = ffi.new("double[1]"), two(a, b, channels * height * width)
  kind = numbers.int32(enums.value("ssim", kind or "gaussian11"), "kind")
  range = numbers.double(range, "range")
  self:_check(lib.cae_ssim(out, self:_c(), x, y, channels, height, width, range, kind))
  return out[0]
end

-- The visit whose noise model:evaluate() adds.
metrics.EVALUATION_VISIT = 0xffffffff

-- Add Gaussian noise to an array of floats in place: a function of (seed, visit, image) alone. A
-- trainer's epoch e uses visit e.
function metrics.add_noise(values, sigma, seed, visit, image)
  if type(values) ~= "cdata" then
    errors.argument("values is %s, expected an array of float", type(values))
  end
  local array, count = buffers.of_floats(values, "values")
  local status = lib.cae_add_noise(
    array, count, numbers.double(sigma, "sigma"), numbers.uint64(seed, "seed"), numbers.uint32(visit, "visit"),
    numbers.uint64(image, "image")
  )
  handle.check(status, nil)
end

return metrics
