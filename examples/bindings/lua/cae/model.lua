-- Models: a network with its parameters.
local ffi = require("ffi")
local lib = require("cae.library")
local Context = require("cae.context")
local buffers = require("cae.buffers")
local enums = require("cae.enums")
local errors = require("cae.errors")
local handle = require("cae.handle")
local numbers = require("cae.numbers")
local structs = require("cae.structs")

jit.off(true, true) -- see handle.lua

local Model = handle.class("model")

local function create(context, make, ...)
  return Model._create(make, context:_c(), context._keep, context:_c(), ...)
end

-- A model made from a description: the same seed gives the same bits on every machine.
function Context:model(spec, seed)
  return create(self, lib.cae_model_create, spec:_c(), numbers.uint64(seed, "seed"))
end

-- The reference network (1,611 parameters).
function Context:reference(seed)
  return create(self, lib.cae_model_create_reference, numbers.uint64(seed, "seed"))
end

-- Read a file that model:save() or trainer:save() wrote.
function Context:load(path)
  return create(self, lib.cae_model_load, buffers.c_string(path, "path"))
end

-- The same from a string that holds the file.
function Context:load_bytes(bytes)
  if type(bytes) ~= "string" then
    errors.argument("bytes is %s, expected a string", type(bytes))
  end
  return create(self, lib.cae_model_load_memory, bytes, #bytes)
end

-- Write a model file, safetensors with PyTorch's names: it appears whole or not at all.
function Model:save(path)
  self:_check(lib.cae_model_save(self:_c(), buffers.c_string(path, "path")))
end

-- What save() would write, as a string.
function Model:bytes()
  return buffers.written(function(status) self:_check(status) end, lib.cae_model_save_memory, self:_c())
end

-- Fill the parameters from a file that need not say an architecture. All or nothing.
function Model:load_weights(path)
  self:_check(lib.cae_model_load_weights(self:_c(), buffers.c_string(path, "path")))
end

local function part_of(part)
  return numbers.int32(enums.value("part", part or "whole"), "part")
end

-- Write a part of the model, "whole" unless it is given, as ONNX, opset 13.
function Model:export_onnx(path, part)
  self:_check(lib.cae_model_export_onnx(self:_c(), part_of(part), buffers.c_string(path, "path")))
end

-- What export_onnx() would write, as a string.
function Model:onnx(part)
  local function check(status)
    self:_check(status)
  end
  return buffers.written(check, lib.cae_model_export_onnx_memory, self:_c(), part_of(part))
end

function Model:parameter_count()
  return tonumber(lib.cae_model_parameter_count(self:_c()))
end

-- Whether the whole model adds its input to what its layers make of it.
function Model:residual()
  return lib.cae_model_residual(self:_c()) == 1
end

function Model:layer_count()
  return lib.cae_model_layer_count(self:_c())
end

-- The names of the parameter tensors, a list: "0.weight", "0.bias", ...
function Model:names()
  local names = {}
  for index = 0, lib.cae_model_tensor_count(self:_c()) - 1 do
    names[index + 1] = ffi.string(lib.cae_model_tensor_name(self:_c(), index))
  end
  return names
end

-- The shape of a tensor, a list of 4 extents for weights, of 1 for biases; and their product.
function Model:shape(name)
  local extents, rank = ffi.new("int64_t[4]"), ffi.new("int32_t[1]")
  self:_check(lib.cae_model_tensor_shape(extents, rank, self:_c(), buffers.c_string(name, "name")))
  local shape, size = {}, 1
  for axis = 1, rank[0] do
    shape[axis] = tonumber(extents[axis - 1])
    size = size * shape[axis]
  end
  return shape, size
end

-- A copy of a tensor, and its length.
function Model:get(name)
  local _, size = self:shape(name)
  local values = buffers.floats(size)
  self:_check(lib.cae_model_get_tensor(values, size, self:_c(), name))
  return values, size
end

-- Copy an array of floats, or a table of numbers, into a tensor.
function Model:set(name, values)
  local _, size = self:shape(name)
  local array, length = buffers.of_floats(values, "values", size)
  self:_check(lib.cae_model_set_tensor(self:_c(), name, array, length))
end

-- Channels that a part reads and writes.
function Model:channels(part)
  local counts = ffi.new("int32_t[2]")
  self:_check(lib.cae_model_channels(counts, counts + 1, self:_c(), nil, part_of(part)))
  return counts[0], counts[1]
end

-- What a part turns an input of that size into: channels, height, width.
function Model:output_shape(height, width, part)
  height, width = numbers.int32(height, "height"), numbers.int32(width, "width")
  local shape = ffi.new("int32_t[3]")
  self:_check(
    lib.cae_model_output_shape(shape, shape + 1, shape + 2, self:_c(), nil, part_of(part), height, width)
  )
  return shape[0], shape[1], shape[2]
end

-- x [count][C][height][width] -> y, and its channels, height and width. Options: `out`, the array to
-- write y to; `context`, which lends threads and scratch memory instead of the model's own.
local function run(model, call, part, x, count, height, width, options)
  local out, lender = options and options.out, options and options.context
  lender = lender and lender:_c()
  count = numbers.int64(count or 1, "count")
  local channels, out_height, out_width = model:output_shape(height, width, part)
  local x_size = tonumber(count) * (model:channels(part)) * height * width
  local y_size = tonumber(count) * channels * out_height * out_width
  local given, x_length = buffers.of_floats(x, "x", x_size)
  local y, y_length = buffers.of_floats(out or buffers.floats(math.max(y_size, 0)), "out", y_size)
  local status = call(y, y_length, model:_c(), lender, given, x_length, count, height, width)
  handle.check(status, lender or model._context)
  return y, channels, out_height, out_width
end

-- Run the whole model on `count` images of height x width: y, channels, height, width.
function Model:forward(x, count, height, width, options)
  return run(self, lib.cae_model_forward, "whole", x, count, height, width, options)
end

-- Run the encoder, as forward() does: images to latents.
function Model:encode(x, count, height, width, options)
  return run(self, lib.cae_model_encode, "encoder", x, count, height, width, options)
end

-- Run the decoder, as forward() does: latents to images.
function Model:decode(latent, count, height, width, options)
  return run(self, lib.cae_model_decode, "decoder", latent, count, height, width, options)
end

-- Run the model over a dataset and compare: a table with the fields of cae_evaluation. Options:
-- noise_sigma 0, noise_seed 123, context as in forward().
function Model:evaluate(dataset, options)
  local lender = options and options.context and options.context:_c()
  local given = structs.options("cae_evaluation_options", structs.without(options, "context"))
  local out = structs.new("cae_evaluation")
  local status = lib.cae_model_evaluate(out, self:_c(), lender, dataset:_c(), given)
  handle.check(status, lender or self._context)
  return structs.evaluation(out)
end

return Model
