-- Datasets: random access to images of one shape. Images are counted from 0, as cdata is.
local ffi = require("ffi")
local lib = require("cae.library")
local Context = require("cae.context")
local buffers = require("cae.buffers")
local enums = require("cae.enums")
local handle = require("cae.handle")
local numbers = require("cae.numbers")
local structs = require("cae.structs")

jit.off(true, true) -- see handle.lua

local Dataset = handle.class("dataset")

-- Images in memory: a string of bytes, or an array of uint8_t or float. `shape` is {count, channels,
-- height, width} in any layout. Options: layout "nchw", scale "signed", borrow false. Borrowed data is
-- read where it is, and kept alive; it must not change while training.
function Context:dataset(data, shape, options)
  local count = numbers.int64(shape[1], "count")
  local channels = numbers.int32(shape[2], "channels")
  local height, width = numbers.int32(shape[3], "height"), numbers.int32(shape[4], "width")
  local bytes, type = buffers.of_images(data, shape[1] * channels * height * width)
  local given = structs.options("cae_dataset_options", options)
  given.type = type
  return Dataset._create(
    lib.cae_dataset_create, self:_c(), { self._keep, given.borrow ~= 0 and data }, self:_c(), data, bytes,
    count, channels, height, width, given
  )
end

-- A directory with CIFAR-10's binary files. Options: split "train", scale "signed".
function Context:cifar10(directory, options)
  local split = enums.value("split", options and options.split or "train")
  return Dataset._create(
    lib.cae_dataset_open_cifar10, self:_c(), self._keep, self:_c(), buffers.c_string(directory, "directory"),
    numbers.int32(split, "split"), structs.options("cae_dataset_options", structs.without(options, "split"))
  )
end

-- The built-in images, `shape` as in dataset(): the same bytes for a seed on every machine.
-- Options: scale "signed".
function Context:dead_leaves(shape, seed, options)
  return Dataset._create(
    lib.cae_dataset_create_dead_leaves, self:_c(), self._keep, self:_c(), numbers.int64(shape[1], "count"),
    numbers.int32(shape[2], "channels"), numbers.int32(shape[3], "height"), numbers.int32(shape[4], "width"),
    numbers.uint64(seed, "seed"), structs.options("cae_dataset_options", options)
  )
end

-- `count` images from `first` on, without a copy.
function Dataset:slice(first, count)
  return Dataset._create(
    lib.cae_dataset_slice, self._context, self._keep, self:_c(), numbers.int64(first, "first"),
    numbers.int64(count, "count")
  )
end

-- Number of images.
function Dataset:count()
  return tonumber(lib.cae_dataset_count(self:_c()))
end

-- Channels, height and width of every image.
function Dataset:shape()
  local shape = ffi.new("int32_t[3]")
  self:_check(lib.cae_dataset_shape(shape, shape + 1, shape + 2, self:_c()))
  return shape[0], shape[1], shape[2]
end

-- Difference between the largest and the smallest possible value: 2 or 1.
function Dataset:range()
  return lib.cae_dataset_range(self:_c())
end

-- Image `index`, scaled, as [channels][height][width]: in `out`, or in a new array.
function Dataset:get(index, out)
  local channels, height, width = self:shape()
  local size = channels * height * width
  local pixels, length = buffers.of_floats(out or buffers.floats(size), "out", size)
  self:_check(lib.cae_dataset_get(pixels, length, self:_c(), numbers.int64(index, "index")))
  return pixels
end

return Dataset
