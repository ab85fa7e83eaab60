-- Find libcae, load it, and refuse one that this package does not fit.
--
-- Nobody compares sonames when a library is loaded by its path: the version is compared here, before
-- anything else is called.
local ffi = require("ffi")
local declarations = require("cae.cdef")
local errors = require("cae.errors")

local ABI, OLDEST = 1, 0x010100
local NAME = ffi.os == "OSX" and "libcae.1.dylib" or "libcae.so.1"
local NEEDED = "needed is cae 1.1.0 or later, ABI 1"

if not pcall(ffi.typeof, "cae_evaluation_options") then -- declared by an earlier require otherwise
  ffi.cdef(declarations)
end

local function refuse(message, ...)
  errors.raise("LIBRARY", nil, message, ...)
end

local function symbol(library, name)
  return library[name]
end

local function load(path)
  local found, library = pcall(ffi.load, path)
  if not found then
    refuse("libcae was not found: %s; %s; install it, or set CAE_LIBRARY to its full path", library, NEEDED)
  end
  for _, name in ipairs({ "cae_version_number", "cae_abi_version" }) do
    if not pcall(symbol, library, name) then
      refuse("%s is not libcae: it lacks %s; %s", path, name, NEEDED)
    end
  end

  local number, abi = library.cae_version_number(), library.cae_abi_version()
  if abi ~= ABI or number < OLDEST then
    local major, minor, patch = bit.rshift(number, 16), bit.band(bit.rshift(number, 8), 255), bit.band(number, 255)
    refuse("%s is cae %d.%d.%d, ABI %d; %s", path, major, minor, patch, abi, NEEDED)
  end
  for name in declarations:gmatch("(cae_[%w_]+)%(") do -- symbols are looked up when they are used: use all now
    if not pcall(symbol, library, name) then
      refuse("%s is not a complete libcae: it lacks %s", path, name)
    end
  end
  return library
end

local path = os.getenv("CAE_LIBRARY")
return load(path and path ~= "" and path or NAME)
