-- Errors: tables that are raised with error().
--
--   status   the library's code, such as -3
--   code     its name: "SHAPE"; "CLOSED" for a closed handle, "LIBRARY" when loading failed
--   message  what was expected and what was found
local Error = {}
Error.__index = Error

function Error:__tostring()
  return ("cae: %s (%s)"):format(self.message, self.code)
end

local errors = {}

-- Raise an error object.
function errors.raise(code, status, message, ...)
  if select("#", ...) > 0 then
    message = message:format(...)
  end
  error(setmetatable({ code = code, status = status, message = message }, Error), 0)
end

-- Raise what the binding itself finds wrong with an argument.
function errors.argument(message, ...)
  errors.raise("ARGUMENT", -1, message, ...)
end

-- Whether `value` is an error object of this package, and if `code` is given, one with that code.
function errors.is_error(value, code)
  return getmetatable(value) == Error and (code == nil or value.code == code)
end

return errors
