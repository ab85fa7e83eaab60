-- Structs that the library reads and fills.
local ffi = require("ffi")
local lib = require("cae.library")
local enums = require("cae.enums")
local errors = require("cae.errors")
local numbers = require("cae.numbers")

local structs = {}

-- How a Lua value becomes a field of an options struct, by the kind of the field.
local setters = {}

for _, kind in ipairs({ "int32", "int64", "uint64", "double", "flag" }) do
  setters[kind] = function(struct, name, value)
    struct[name] = numbers[kind](value, name)
  end
end

-- One extent for both directions, or {vertical, horizontal}: the fields name_h and name_w.
function setters.pair(struct, name, value)
  local vertical, horizontal = value, value
  if type(value) == "table" then
    vertical, horizontal = value[1], value[2]
  end
  struct[name .. "_h"] = numbers.int32(vertical, name)
  struct[name .. "_w"] = numbers.int32(horizontal, name)
end

-- A sum of enumerators: a number, a name, or a list of names.
function setters.ways(struct, name, value)
  local sum = 0
  for _, way in ipairs(type(value) == "table" and value or { value }) do
    sum = bit.bor(sum, numbers.int32(enums.value(name, way), name))
  end
  struct[name] = sum
end

-- Fields of the options structs; "enum x" takes names of cae.enums.
local FIELDS = {
  cae_context_options = { threads = "int32", engine = "enum engine", cpu = "enum cpu" },
  cae_conv_options = {
    kernel = "pair", stride = "pair", padding = "pair", dilation = "pair", output_padding = "pair",
    bias = "flag", activation = "enum activation", slope = "double",
  },
  cae_dataset_options = { scale = "enum scale", layout = "enum layout", borrow = "flag" },
  cae_optimizer_options = {
    kind = "enum optimizer", learning_rate = "double", momentum = "double", beta1 = "double",
    beta2 = "double", epsilon = "double", weight_decay = "double", nesterov = "flag",
  },
  cae_trainer_options = {
    batch = "int32", seed = "uint64", loss = "enum loss", shuffle = "flag", huber_delta = "double",
    noise_sigma = "double", clip_norm = "double", schedule = "enum schedule", warmup_steps = "int64",
    decay_steps = "int64", decay_factor = "double", final_fraction = "double",
    noise_sigma_max = "double", average_decay = "double", epsilon = "double", ssim_weight = "double",
    augment = "ways",
  },
  cae_evaluation_options = { noise_seed = "uint64", noise_sigma = "double" },
}

-- A struct with the library's defaults and its size.
function structs.new(name)
  local struct = ffi.new(name)
  lib[name .. "_init"](struct, ffi.sizeof(name))
  return struct
end

-- An options struct: the defaults, then the fields of the table `given`, which may be nil. A field that
-- there is not is an error, as a misspelt one would otherwise be a default.
function structs.options(name, given)
  local struct = structs.new(name)
  for field, value in pairs(given or {}) do
    local kind = FIELDS[name][field]
    if not kind then
      errors.raise("OPTIONS", lib.CAE_ERR_OPTIONS, "%s has no option %q", name, tostring(field))
    elseif kind:sub(1, 5) == "enum " then
      struct[field] = numbers.int32(enums.value(kind:sub(6), value), field)
    else
      setters[kind](struct, field, value)
    end
  end
  return struct
end

-- A table without some of its fields: those that are not the struct's.
function structs.without(given, ...)
  local rest = {}
  for field, value in pairs(given or {}) do
    rest[field] = value
  end
  for _, field in ipairs({ ... }) do
    rest[field] = nil
  end
  return rest
end

local PROGRESS = { "step", "epoch", "images", "loss", "epoch_loss", "learning_rate", "gradient_norm" }
local EVALUATION = {
  "images", "mse", "psnr", "psnr_global", "ssim", "ssim_uniform7", "noisy_mse", "noisy_psnr", "noisy_ssim",
  "noisy_ssim_uniform7",
}

local function to_table(struct, fields)
  local result = {}
  for _, field in ipairs(fields) do
    result[field] = tonumber(struct[field])
  end
  return result
end

function structs.progress(struct)
  local progress = to_table(struct, PROGRESS)
  progress.epoch_done = struct.epoch_done ~= 0
  return progress
end

function structs.evaluation(struct)
  return to_table(struct, EVALUATION)
end

return structs
