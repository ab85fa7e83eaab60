-- luarocks make, in this folder
package = "cae"
version = "1.1.0-1"
source = { url = "." }
description = {
  summary = "Convolutional auto-encoders on the CPU: libcae for LuaJIT",
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = { "lua == 5.1" } -- as LuaJIT calls itself; its FFI is needed
build = {
  type = "builtin",
  modules = {
    ["cae"] = "cae.lua",
    ["cae.buffers"] = "cae/buffers.lua",
    ["cae.cdef"] = "cae/cdef.lua",
    ["cae.context"] = "cae/context.lua",
    ["cae.dataset"] = "cae/dataset.lua",
    ["cae.enums"] = "cae/enums.lua",
    ["cae.errors"] = "cae/errors.lua",
    ["cae.handle"] = "cae/handle.lua",
    ["cae.library"] = "cae/library.lua",
    ["cae.metrics"] = "cae/metrics.lua",
    ["cae.model"] = "cae/model.lua",
    ["cae.numbers"] = "cae/numbers.lua",
    ["cae.spec"] = "cae/spec.lua",
    ["cae.structs"] = "cae/structs.lua",
    ["cae.training"] = "cae/training.lua",
  },
}
