-- What the tests share: the C program's results, and the training that led to them.
local cae = require("cae")
local ffi = require("ffi")

local common = {
  contract = os.getenv("CAE_CONTRACT"),
  scratch = os.getenv("CAE_SCRATCH"),
  shape = { 320, 3, 32, 32 },
  pixels = 3 * 32 * 32,
  expected = {},
}

function common.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

function common.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

-- What a shell command prints.
function common.shell(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

function common.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

for line in io.lines(common.contract .. "/expected.txt") do
  local name, value = line:match("^(%S+) (%S+)$")
  common.expected[name] = tonumber(value)
end
common.images = common.read(common.contract .. "/images.u8")

-- The reference network layer by layer.
function common.reference_spec(context)
  return context:spec()
    :conv(3, 8, { activation = "relu" })
    :conv(8, 8, { activation = "relu" })
    :end_encoder()
    :conv_transpose(8, 8, { activation = "relu" })
    :conv_transpose(8, 3)
end

-- Model, trainer and dataset of the C program.
function common.make_trainer(context)
  local model = context:model(common.reference_spec(context), 7)
  local data = context:dataset(common.images, common.shape)
  local options = { batch = 16, seed = 7, noise_sigma = 0.1 }
  return model, model:trainer(model:optimizer(), data, options), data
end

-- The error object of a call, which must fail with that code.
function common.raised(code, call, ...)
  local fine, problem = pcall(call, ...)
  assert(not fine, "nothing was raised")
  assert(cae.is_error(problem, code), ("expected %s, raised: %s"):format(code, tostring(problem)))
  return problem
end

function common.same(a, b, count)
  return ffi.string(a, count * 4) == ffi.string(b, count * 4)
end

-- The entries of a folder of /proc, nil where there is none.
function common.proc(folder)
  local output = common.shell("ls /proc/" .. common.shell("echo $PPID"):match("%d+") .. "/" .. folder)
  return select(2, output:gsub("\n", ""))
end

return common
