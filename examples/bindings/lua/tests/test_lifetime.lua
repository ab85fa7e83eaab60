-- Handles: closed by hand or by the garbage collector, in any order.
local cae = require("cae")
local common = require("common")

test("closing twice is harmless, using a closed handle is an error, for every handle", function()
  local context = cae.context()
  local spec = context:spec():reference()
  local model = context:model(spec, 1)
  local data = context:dataset(common.images, common.shape)
  local adam = model:optimizer()
  local trainer = model:trainer(adam, data)
  for _, use in ipairs({
    { trainer, trainer.step },
    { adam, adam.learning_rate },
    { data, data.count },
    { model, model.bytes },
    { spec, spec.end_encoder },
    { context, context.spec },
  }) do
    local handle, method = use[1], use[2]
    assert(not handle:closed() and not tostring(handle):find("closed"))
    handle:close()
    handle:close()
    assert(handle:closed() and tostring(handle):find("closed"))
    common.raised("CLOSED", method, handle)
  end
  common.raised("CLOSED", data.slice, data, 0, 1)
end)

test("what was made from a closed handle goes on working, errors included", function()
  local context = cae.context()
  local model, trainer, data = common.make_trainer(context)
  context:close()
  model:close()
  data:close()
  collectgarbage()
  assert(trainer:epoch().epoch_done)
  assert(select(2, trainer:gradient("0.bias")) == 8)
  assert(common.raised("NAME", trainer.gradient, trainer, "x").message:find("x", 1, true))
end)

test("the garbage collector gives handles back: the context's thread is gone", function()
  if jit.os ~= "Linux" then
    return "skip: looks into Linux's /proc"
  end
  local before = common.proc("task")
  do
    local _, trainer = common.make_trainer(cae.context({ threads = 2 }))
    trainer:step()
    assert(common.proc("task") == before + 1)
  end
  collectgarbage()
  collectgarbage()
  assert(common.proc("task") == before)
end)
