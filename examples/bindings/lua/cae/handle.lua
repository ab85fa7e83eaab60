-- What all handles have in common: one owner, closed once, by hand or by the garbage collector.
--
-- The library counts references: handles may be closed in any order, each keeps alive in C what it was
-- made from. What C borrows from Lua (arrays, log functions) hangs on `_keep`, which is passed on to
-- the handles made from this one.
local ffi = require("ffi")
local lib = require("cae.library")
local enums = require("cae.enums")
local errors = require("cae.errors")

-- The library may call a log function from most of its calls, and a C function that calls Lua must not
-- be called from compiled code: no module that calls it is compiled.
jit.off(true, true)

local handle = {}

-- Return a status that is no failure, raise that of a failure. `context` is the C context that keeps
-- the error text, NULL for calls without one, which leave nothing but the status.
function handle.check(status, context)
  if status >= 0 then
    return status
  end
  local message = ffi.string(lib.cae_context_error(context))
  if message == "" then
    message = ffi.string(lib.cae_status_string(status))
  end
  errors.raise(enums.code(status), status, "%s", message)
end

-- A class for the C type `cae_<name>`.
function handle.class(name)
  local class = { _name = name }
  class.__index = class

  -- A closure, not the C function itself: it keeps the library loaded while there is a handle.
  local function destroy(pointer)
    lib["cae_" .. name .. "_destroy"](pointer)
  end

  -- Call a C function that makes a handle, create(out, ...), and own what it made. `context` is the
  -- C context for its errors, nil when a context is made, which keeps its own.
  function class._create(create, context, keep, ...)
    local out = ffi.new("cae_" .. name .. "*[1]")
    handle.check(create(out, ...), context)
    local pointer = ffi.gc(out[0], destroy)
    return setmetatable({ _pointer = pointer, _context = context or out[0], _keep = keep }, class)
  end

  -- The C handle.
  function class:_c()
    return self._pointer or errors.raise("CLOSED", lib.CAE_ERR_ARGUMENT, "this %s is closed", name)
  end

  function class:_check(status)
    return handle.check(status, self._context)
  end

  function class:closed()
    return self._pointer == nil
  end

  -- Give the handle back. What was made from it goes on working. Closing twice does nothing.
  function class:close()
    local pointer = self._pointer
    if pointer then
      self._pointer, self._keep = nil, nil
      destroy(ffi.gc(pointer, nil))
    end
  end

  function class:__tostring()
    return ("cae.%s%s"):format(name, self:closed() and " (closed)" or "")
  end

  return class
end

return handle
