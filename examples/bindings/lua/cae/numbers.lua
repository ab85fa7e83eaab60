-- Numbers on their way to C. The FFI would cut off silently what does not fit an integer.
local ffi = require("ffi")
local errors = require("cae.errors")

local numbers = {}

local function integer(least, most, kind)
  return function(value, name)
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
      errors.argument("%s is %s, expected %s", name, tostring(value), kind)
    end
    return value
  end
end

-- 64-bit integers may also be cdata: 7ULL
local function or_cdata(check, ctype)
  return function(value, name)
    if type(value) == "cdata" then
      return ffi.cast(ctype, value)
    end
    return check(value, name)
  end
end

numbers.int32 = integer(-2 ^ 31, 2 ^ 31 - 1, "a 32-bit integer")
numbers.uint32 = integer(0, 2 ^ 32 - 1, "an unsigned 32-bit integer")
numbers.int64 = or_cdata(integer(-2 ^ 53, 2 ^ 53, "an integer"), "int64_t")
numbers.uint64 = or_cdata(integer(0, 2 ^ 53, "an unsigned integer"), "uint64_t")

function numbers.double(value, name)
  if type(value) ~= "number" then
    errors.argument("%s is %s, expected a number", name, tostring(value))
  end
  return value
end

-- A 32-bit flag: true, false, or the number itself.
function numbers.flag(value, name)
  if type(value) == "boolean" then
    return value and 1 or 0
  end
  return numbers.int32(value, name)
end

return numbers
