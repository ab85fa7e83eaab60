-- Callbacks may stop training and may raise.
local cae = require("cae")
local common = require("common")

test("a callback stops after 3 steps", function()
  local _, trainer = common.make_trainer(cae.context())
  local seen = {}
  local progress = trainer:epoch(function(now)
    seen[#seen + 1] = now.step
    return now.step == 3
  end)
  assert(table.concat(seen, " ") == "1 2 3")
  assert(progress.stopped and progress.step == 3 and not progress.epoch_done)
  progress = trainer:epoch(function() end)
  assert(not progress.stopped and progress.step == 20 and progress.epoch_done)
end)

test("what a callback raises arrives, and the trainer goes on", function()
  local model, trainer = common.make_trainer(cae.context())
  for step, thrown in ipairs({ {}, "text", false }) do -- any value may be raised
    local fine, problem = pcall(trainer.epoch, trainer, function()
      error(thrown, 0)
    end)
    assert(not fine and problem == thrown and trainer:progress().step == step)
  end
  trainer:step()
  local same, undisturbed = common.make_trainer(cae.context())
  for _ = 1, 4 do
    undisturbed:step()
  end
  assert(same:bytes() == model:bytes())
end)

test("a callback may train another trainer, and close everything but its own", function()
  local context = cae.context()
  local model, trainer, data = common.make_trainer(context)
  local _, inner = common.make_trainer(context)
  local count = 0
  trainer:epoch(function(now)
    assert(not pcall(trainer.close, trainer))
    if now.step == 2 then
      inner:epoch(function()
        count = count + 1
      end)
    end
    model:close()
    data:close()
    context:close()
  end)
  assert(count == 20 and trainer:progress().step == 20 and not trainer:closed())
end)

test("thousands of epochs use up no callbacks, compiled loops call none", function()
  local lines = {}
  local context = cae.context({
    threads = 2,
    log = function(level, line)
      lines[#lines + 1] = level .. line
    end,
  })
  local data = context:dataset(("\128"):rep(2 * 64), { 2, 1, 8, 8 })
  local model = context:model(context:spec():conv(1, 1):conv_transpose(1, 1), 1)
  local trainer = model:trainer(model:optimizer(), data, { batch = 1 })
  local count = 0
  for _ = 1, 3000 do
    trainer:epoch(function()
      count = count + 1
    end)
  end
  assert(count == 6000 and #lines == 0)
end)

test("threads that the system refuses are a line in the log, from a hot loop, too", function()
  if jit.os ~= "Linux" then
    return "skip: sets a limit as Linux does"
  end
  -- OpenBLAS starts its threads when it is loaded: the limit is set after that, with setrlimit
  local code = [[
    local cae, ffi = require("cae"), require("ffi")
    ffi.cdef "int setrlimit(int resource, const uint64_t *limits);"
    local lines = {}
    local function log(level, line)
      lines[#lines + 1] = level .. ": " .. line
      error("ignored")
    end
    local quiet = cae.context { log = log }
    local data = quiet:dead_leaves({ 64, 3, 8, 8 }, 1)
    local model = quiet:reference(1)
    local file = io.open("/proc/self/statm")
    local used = file:read("*n") * 4096
    file:close()
    ffi.C.setrlimit(9, ffi.new("uint64_t[2]", used + 2 ^ 28, -1ULL))
    collectgarbage()
    for round = 1, 200 do
      local lender = cae.context { threads = round < 190 and 1 or 1024, log = log }
      model:evaluate(data, { context = lender })
      lender:close()
    end
    local function orphan() -- the model keeps the log function of a context that nobody else has
      return cae.context({ threads = 1024, log = function(...) log(...) end }):reference(1)
    end
    local last = orphan()
    collectgarbage()
    last:evaluate(data)
    print(#lines, lines[1])
  ]]
  local output = common.shell(arg[-1] .. " -e " .. common.quote(code))
  assert(output:match("^12\twarning: the system gave %d+ of 1024 threads\n$"), output)
end)
