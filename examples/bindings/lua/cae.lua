-- Convolutional auto-encoders on the CPU: libcae for LuaJIT.
--
--   local cae = require("cae")
--   local context = cae.context { threads = 2 }
--   local images = context:dead_leaves({ 256, 3, 32, 32 }, 1)
--   local model = context:reference(1)
--   local trainer = model:trainer(model:optimizer(), images, { noise_sigma = 0.1 })
--   print(trainer:epoch().loss)
--
-- Requiring it loads the library: CAE_LIBRARY, a full path, or libcae.so.1 where the system finds it.
local ffi = require("ffi")
local lib = require("cae.library")
local Context = require("cae.context")
local buffers = require("cae.buffers")
local errors = require("cae.errors")
local metrics = require("cae.metrics")
require("cae.spec") -- these add to Context and Model what makes their objects
require("cae.dataset")
require("cae.model")
require("cae.training")

return {
  _VERSION = "1.1.0", -- of this package
  context = Context.new,
  floats = buffers.floats,
  is_error = errors.is_error,
  mse = metrics.mse,
  psnr = metrics.psnr,
  add_noise = metrics.add_noise,
  EVALUATION_VISIT = metrics.EVALUATION_VISIT,

  -- The version of the loaded library as text, "1.1.0".
  version = function()
    return ffi.string(lib.cae_version_string())
  end,

  -- Major << 16 | minor << 8 | patch of the loaded library.
  version_number = function()
    return lib.cae_version_number()
  end,

  -- The number that counts the breaks of the library's binary interface.
  abi_version = function()
    return lib.cae_abi_version()
  end,

  -- One line on how the library was built and what it found on this machine.
  build_info = function()
    local length = tonumber(lib.cae_build_info(nil, 0))
    local text = ffi.new("char[?]", length + 1)
    lib.cae_build_info(text, length + 1)
    return ffi.string(text)
  end,

  -- A short English text for a status: "out of memory".
  status_string = function(status)
    return ffi.string(lib.cae_status_string(status))
  end,
}
