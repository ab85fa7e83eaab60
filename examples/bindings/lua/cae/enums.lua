-- The library's enumerations by name: "relu" is CAE_ACTIVATION_RELU. Numbers are passed on as they are.
local lib = require("cae.library")
local errors = require("cae.errors")

local NAMES = {
  engine = { "auto", "gemm", "direct" },
  cpu = { "auto", "baseline", "avx2", "avx512" },
  log = { "info", "warning" },
  activation = { "none", "relu", "leaky_relu", "tanh", "sigmoid" },
  part = { "encoder", "decoder", "whole" },
  type = { "u8", "f32" },
  layout = { "nchw", "nhwc" },
  scale = { "signed", "unit" },
  split = { "train", "test" },
  ssim = { "gaussian11", "uniform7" },
  optimizer = { "sgd", "adam", "adamw" },
  loss = { "mse", "l1", "huber", "charbonnier" },
  schedule = { "constant", "step", "cosine" },
  augment = { "mirror", "flip", "transpose" },
}

local STATUS = { "ARGUMENT", "MEMORY", "SHAPE", "OPTIONS", "IO", "FORMAT", "NUMERIC", "UNSUPPORTED", "NAME" }

local values, names = {}, {}
for kind, list in pairs(NAMES) do
  values[kind], names[kind] = {}, {}
  for _, name in ipairs(list) do
    local value = lib["CAE_" .. kind:upper() .. "_" .. name:upper()]
    values[kind][name], names[kind][value] = value, name
  end
end
local codes = {}
for _, code in ipairs(STATUS) do
  codes[lib["CAE_ERR_" .. code]] = code
end

local enums = {}

-- The number of a name.
function enums.value(kind, name)
  if type(name) == "number" then
    return name
  end
  return values[kind][name]
    or errors.raise("OPTIONS", lib.CAE_ERR_OPTIONS, "%s is %s, expected one of %s", kind, tostring(name),
      table.concat(NAMES[kind], ", "))
end

-- The name of a number; the number itself when a newer library has more of them.
function enums.name(kind, value)
  return names[kind][value] or value
end

-- The name of a failure's status, "SHAPE".
function enums.code(status)
  return codes[status] or ("STATUS " .. status)
end

return enums
