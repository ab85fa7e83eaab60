-- The package: what it covers, which libraries it refuses, and that it can be installed.
local cae = require("cae")
local common = require("common")

local folder = arg[0]:match("^(.*)/") .. "/.."

test("every function of the C interface is called somewhere in the package", function()
  local source, called = common.shell("cat " .. common.quote(folder) .. "/cae/[!c]*.lua " .. common.quote(folder)
    .. "/cae.lua " .. common.quote(folder) .. "/cae/context.lua"), {}
  for name in source:gmatch("lib%a*%.(cae_[%w_]+)") do
    called[name] = true
  end
  for name in source:gmatch('[.( ]class%("(%l+)"%)') do
    called["cae_" .. name .. "_destroy"] = true
  end
  for name in source:gmatch('"?(cae_[%l_]+)"?[,) ]') do
    called[name .. "_init"] = true
  end
  local count = 0
  for name in require("cae.cdef"):gmatch("(cae_[%w_]+)%(") do
    count = count + 1
    assert(called[name], name)
  end
  assert(count > 60)
end)

-- What requiring the package says with another library.
local function load(library, more)
  local code = 'print(require("cae").version()) ' .. (more or "")
  local command = "CAE_LIBRARY=%s %s -e %s"
  return common.shell(command:format(common.quote(library), arg[-1], common.quote(code)))
end

test("libraries that are too old, of another ABI, something else or missing are refused", function()
  local older = load(os.getenv("CAE_LIBRARY_OLDER"))
  assert(older:find("is cae 0.9.0, ABI 1; needed is cae 1.1.0", 1, true), older)
  local other = load(os.getenv("CAE_LIBRARY_OTHER_ABI"))
  assert(other:find("is cae 9.0.0, ABI 9; needed is cae 1.1.0", 1, true), other)
  local missing = load("/nowhere/libcae.so.1")
  assert(missing:find("libcae was not found", 1, true) and missing:find("/nowhere", 1, true), missing)
  if jit.os == "Linux" then
    local math_library = load("libm.so.6")
    assert(math_library:find("libm.so.6 is not libcae", 1, true), math_library)
  end
  assert(load("") == cae.version() .. "\n") -- where the system finds it
end)

test("the package can be forgotten and required again, with handles alive", function()
  local again = [[
    local function forget()
      for name in pairs(package.loaded) do
        if name:match("^cae") then package.loaded[name] = nil end
      end
      collectgarbage()
    end
    local bytes
    do
      local model = require("cae").context():reference(1)
      forget()
      bytes = model:bytes()
    end
    forget() -- now the library goes, after the model
    forget()
    print(require("cae").context():reference(1):bytes() == bytes)
  ]]
  assert(load(os.getenv("CAE_LIBRARY"), again) == cae.version() .. "\ntrue\n")
end)

test("luarocks installs every module", function()
  local scratch = common.quote(common.scratch)
  if not common.shell("command -v luarocks"):match("luarocks") then
    return "skip: no luarocks"
  end
  local here = common.quote(folder)
  local output = common.shell(
    ("rm -rf %s/rock %s/tree && cp -R %s %s/rock && cd %s/rock && luarocks --lua-version 5.1 make --tree ../tree")
      :format(scratch, scratch, here, scratch, scratch)
  )
  local find = "import=%s/tree/share/lua/5.1; cd / && LUA_PATH=$import/?.lua %s -e %s"
  local code = common.quote('print(require("cae").context():reference(1):parameter_count())')
  local result = common.shell(find:format(scratch, arg[-1], code))
  assert(result == "1611\n", output .. result)
end)
