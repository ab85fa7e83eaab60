-- Memory: what is read and written in place, layouts, scales.
local cae = require("cae")
local ffi = require("ffi")
local common = require("common")

local function floats_of(bytes, count)
  local values = cae.floats(count)
  for index = 0, count - 1 do
    values[index] = bytes:byte(index + 1) / 127.5 - 1
  end
  return values
end

test("a borrowed float dataset sees the caller's memory, a copied one does not", function()
  local context = cae.context()
  local values = floats_of(common.images, 2 * common.pixels)
  local shape = { 2, 3, 32, 32 }
  local borrowed = context:dataset(values, shape, { borrow = true })
  local copied = context:dataset(values, shape)
  local pointed = context:dataset(ffi.cast("const float *", values), shape, { borrow = true })
  local before = values[common.pixels + 5]
  values[common.pixels + 5] = 0.625
  assert(borrowed:get(1)[5] == 0.625 and pointed:get(1)[5] == 0.625)
  assert(copied:get(1)[5] == before and before ~= 0.625)
end)

test("borrowed memory lives as long as the dataset, its slices or a trainer need it", function()
  local context = cae.context()
  local model = context:reference(1)
  local freed = 0
  local function borrowed()
    local values = ffi.gc(floats_of(common.images, 2 * common.pixels), function()
      freed = freed + 1
    end)
    return context:dataset(values, { 2, 3, 32, 32 }, { borrow = true })
  end
  local part = borrowed():slice(1, 1)
  local trainer = model:trainer(model:optimizer(), borrowed(), { batch = 2 })
  collectgarbage()
  collectgarbage()
  assert(freed == 0)
  trainer:step()
  part:close()
  collectgarbage()
  collectgarbage()
  assert(freed == 1)
  trainer:close()
  collectgarbage()
  collectgarbage()
  assert(freed == 2)
end)

test("bytes and floats, both layouts, both scales, slices, CIFAR-10, dead leaves", function()
  local context = cae.context()
  local data = context:dataset(common.images, common.shape)
  assert(data:count() == 320 and data:range() == 2)
  assert(table.concat({ data:shape() }, " ") == "3 32 32")
  local image = data:get(3)

  local pixels = ffi.new("uint8_t[?]", common.pixels)
  for index = 0, common.pixels - 1 do
    local channel, pixel = math.floor(index / 1024), index % 1024
    pixels[pixel * 3 + channel] = common.images:byte(3 * common.pixels + index + 1)
  end
  local last = context:dataset(pixels, { 1, 3, 32, 32 }, { layout = "nhwc", borrow = true })
  assert(common.same(last:get(0), image, common.pixels))

  local unit = context:dataset(common.images, common.shape, { scale = "unit", borrow = true })
  assert(unit:range() == 1 and math.abs(unit:get(0)[0] - common.images:byte(1) / 255) < 1e-6)
  assert(common.same(data:slice(2, 5):get(1), image, common.pixels))
  assert(common.same(context:dead_leaves(common.shape, 7):get(3), image, common.pixels))

  local first = common.images:sub(1, common.pixels)
  common.write(common.scratch .. "/test_batch.bin", ("\3" .. first):rep(2))
  local cifar = context:cifar10(common.scratch, { split = "test" })
  assert(cifar:count() == 2 and common.same(cifar:get(1), data:get(0), common.pixels))
end)

test("results go to an array of the caller's", function()
  local context = cae.context()
  local model = context:reference(1)
  local data = context:dataset(common.images, common.shape)
  local y, image = cae.floats(common.pixels), cae.floats(common.pixels)
  assert(data:get(0, image) == image and common.same(image, data:get(0), common.pixels))
  assert(model:forward(image, 1, 32, 32, { out = y }) == y)
  assert(common.same(y, model:forward(image, 1, 32, 32, { context = cae.context() }), common.pixels))
  assert(not common.same(y, image, common.pixels))
  common.raised("SHAPE", model.forward, model, image, 1, 32, 32, { out = cae.floats(7) })
  assert(ffi.sizeof((model:forward(cae.floats(0), 0, 20, 24))) == 0)
end)
