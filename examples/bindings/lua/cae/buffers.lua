-- Memory that C reads and writes in place: cdata arrays, pointers, and strings for bytes.
local ffi = require("ffi")
local lib = require("cae.library")
local errors = require("cae.errors")

jit.off(true, true) -- see handle.lua

local buffers = {}

local ELEMENTS = {
  ["float"] = { type = lib.CAE_TYPE_F32, size = 4 },
  ["unsigned char"] = { type = lib.CAE_TYPE_U8, size = 1 },
}

-- What a buffer holds: the element as in ELEMENTS, and its number of elements, nil for a pointer.
local function describe(buffer, name)
  if type(buffer) == "string" then
    return ELEMENTS["unsigned char"], #buffer
  end
  local ctype = type(buffer) == "cdata" and tostring(ffi.typeof(buffer)) or type(buffer)
  local base, declarator = ctype:match("^ctype<(.-) ?([%[*&(].*)>$")
  local element = base and ELEMENTS[base:gsub("^const ", "")]
  if not element or not (declarator == "*" or declarator:match("^%b[]$") or declarator:match("^%(&%)%b[]$")) then
    errors.argument("%s is %s, expected an array of float or uint8_t", name, ctype)
  end
  if declarator == "*" then
    return element, nil
  end
  return element, ffi.sizeof(buffer) / element.size
end

-- A new array of `count` floats, zero, or of the numbers of a table.
function buffers.floats(from)
  if type(from) == "table" then
    return ffi.new("float[?]", #from, from)
  end
  return ffi.new("float[?]", from)
end

-- An array of floats and its length. A table of numbers is copied into one; a pointer is trusted to
-- have `expected`.
function buffers.of_floats(buffer, name, expected)
  if type(buffer) == "table" then
    return buffers.floats(buffer), #buffer
  end
  local element, count = describe(buffer, name)
  if element.type ~= lib.CAE_TYPE_F32 then
    errors.argument("%s holds bytes, expected float", name)
  end
  return buffer, count or expected or errors.argument("%s is a pointer, expected an array", name)
end

-- Images: their bytes in memory, and their cae_type. A pointer is trusted to have `expected` elements.
function buffers.of_images(buffer, expected)
  local element, count = describe(buffer, "data")
  return (count or expected) * element.size, element.type
end

-- A string that C reads up to its first zero byte, which must be its end.
function buffers.c_string(value, name)
  if type(value) ~= "string" or value:find("\0", 1, true) then
    errors.argument("%s is %s, expected a string without zero bytes", name, type(value))
  end
  return value
end

-- What a C function writes that takes (buffer, capacity, written, ...): asked for its size, then for
-- the bytes. `check` raises its failures.
function buffers.written(check, write, ...)
  local size = ffi.new("size_t[1]")
  check(write(nil, 0, size, ...))
  local bytes = ffi.new("char[?]", size[0])
  check(write(bytes, size[0], size, ...))
  return ffi.string(bytes, size[0])
end

return buffers
