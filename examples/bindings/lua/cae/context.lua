-- The context: what would otherwise be global.
local ffi = require("ffi")
local lib = require("cae.library")
local enums = require("cae.enums")
local handle = require("cae.handle")
local numbers = require("cae.numbers")
local structs = require("cae.structs")

jit.off(true, true) -- see handle.lua

local Context = handle.class("context")

-- One C callback for all contexts, as there are few: each passes the number of its log function, which
-- is kept by the context and what was made from it.
local functions = setmetatable({}, { __mode = "v" })
local last = 0

local function on_log(user, level, text)
  local log = functions[tonumber(ffi.cast("intptr_t", user))]
  if log then
    pcall(log, enums.name("log", level), ffi.string(text)) -- an error must not cross C
  end
end

local c_log -- made when it is first needed, never freed

-- cae.context{threads =, engine =, cpu =, log =}: `threads` counts the calling thread, 0 asks for one
-- per processor. log(level, line) hears warnings; an error in it is ignored.
function Context.new(given)
  local log = given and given.log
  local options = structs.options("cae_context_options", structs.without(given, "log"))
  if log then
    c_log = c_log or ffi.cast("cae_log_fn", on_log)
    last = last + 1
    functions[last] = log
    options.log, options.log_user = c_log, ffi.cast("void *", last)
  end
  return Context._create(lib.cae_context_create, nil, { log }, options)
end

-- Threads in use, the caller's included.
function Context:threads()
  return lib.cae_context_threads(self:_c())
end

function Context:set_threads(threads)
  self:_check(lib.cae_context_set_threads(self:_c(), numbers.int32(threads, "threads")))
end

-- The instruction set in use, such as "avx2".
function Context:cpu()
  return enums.name("cpu", lib.cae_context_cpu(self:_c()))
end

-- The text of the last error, "" when there was none. Error objects carry it already.
function Context:last_error()
  return ffi.string(lib.cae_context_error(self:_c()))
end

return Context
