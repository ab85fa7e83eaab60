-- Training: an optimizer changes a model's parameters, a trainer feeds it.
local ffi = require("ffi")
local lib = require("cae.library")
local Model = require("cae.model")
local buffers = require("cae.buffers")
local errors = require("cae.errors")
local handle = require("cae.handle")
local numbers = require("cae.numbers")
local structs = require("cae.structs")

jit.off(true, true) -- see handle.lua

local Optimizer, Trainer = handle.class("optimizer"), handle.class("trainer")

-- An update rule for the model. Options: kind "adam", learning_rate 1e-3, momentum 0, beta1 0.9,
-- beta2 0.999, epsilon 1e-8, weight_decay 0, nesterov false.
function Model:optimizer(options)
  local given = structs.options("cae_optimizer_options", options)
  return Optimizer._create(lib.cae_optimizer_create, self._context, self._keep, self:_c(), given)
end

-- The base rate that a schedule multiplies.
function Optimizer:learning_rate()
  return lib.cae_optimizer_learning_rate(self:_c())
end

function Optimizer:set_learning_rate(rate)
  self:_check(lib.cae_optimizer_set_learning_rate(self:_c(), numbers.double(rate, "learning_rate")))
end

-- The model, its optimizer and a dataset, at work. Options: batch 64, seed 1, loss "mse", shuffle true,
-- huber_delta 1, noise_sigma 0, clip_norm 0, schedule "constant", warmup_steps 0, decay_steps 0,
-- decay_factor 0.1, final_fraction 0, noise_sigma_max 0, average_decay 0, epsilon 0 (which is 1e-3), ssim_weight 0,
-- augment {} (a list of "mirror", "flip", "transpose").
function Model:trainer(optimizer, dataset, options)
  local trainer = Trainer._create(
    lib.cae_trainer_create, self._context, { self._keep, dataset._keep }, self:_c(), optimizer:_c(), dataset:_c(),
    structs.options("cae_trainer_options", options)
  )
  trainer._sizes = {}
  for _, name in ipairs(self:names()) do
    local _, size = self:shape(name)
    trainer._sizes[name] = size
  end
  return trainer
end

-- Take one optimizer step on the next batch: a table with the fields of cae_progress.
function Trainer:step()
  local out = structs.new("cae_progress")
  self:_check(lib.cae_trainer_step(out, self:_c()))
  return structs.progress(out)
end

-- One C callback for all epochs, as there are few. Epochs may be nested, one trainer's in the callback of
-- another's: the last one is the one that C calls for.
local running = {}

local function on_step(_, progress)
  local call = running[#running]
  local fine, result = pcall(call.callback, structs.progress(progress)) -- an error must not cross C
  if not fine then
    call.failed, call.failure = true, result
  end
  return (not fine or result) and 1 or 0
end

local c_step -- made when it is first needed, never freed

-- Take steps to the end of the current epoch. callback(progress) is called after every step. When it
-- returns true the call ends there, with `stopped` set; an error in it is raised here, and the trainer
-- can go on.
function Trainer:epoch(callback)
  local trainer, out = self:_c(), structs.new("cae_progress")
  local call = { callback = callback }
  c_step = c_step or ffi.cast("cae_progress_fn", on_step)
  self._calls = (self._calls or 0) + 1
  running[#running + 1] = call
  -- The interrupt of the interpreter may be raised in on_step itself: the library allows for that.
  local returned, status = pcall(lib.cae_trainer_epoch, out, trainer, callback and c_step or nil, nil)
  running[#running] = nil
  self._calls = self._calls - 1
  if call.failed then
    error(call.failure, 0)
  elseif not returned then
    error(status, 0)
  end
  local progress = structs.progress(out)
  progress.stopped = self:_check(status) == lib.CAE_STOPPED
  return progress
end

-- Where training stands, without taking a step.
function Trainer:progress()
  local out = structs.new("cae_progress")
  self:_check(lib.cae_trainer_progress(out, self:_c()))
  return structs.progress(out)
end

function Trainer:steps_per_epoch()
  return tonumber(lib.cae_trainer_steps_per_epoch(self:_c()))
end

-- The gradient of the last step for a named tensor, after clipping, and its length.
function Trainer:gradient(name)
  local size = self._sizes[name] or 0
  local values = buffers.floats(size)
  self:_check(lib.cae_trainer_get_gradient(values, size, self:_c(), buffers.c_string(name, "name")))
  return values, size
end

-- A model of its own with the moving average of the parameters; without averaging, as they are.
function Trainer:average()
  return Model._create(lib.cae_trainer_average, self._context, self._keep, self:_c())
end

-- Write a checkpoint: a model file with the optimizer's moments and the counters in it.
function Trainer:save(path)
  self:_check(lib.cae_trainer_save(self:_c(), buffers.c_string(path, "path")))
end

-- Go on from a checkpoint of a trainer that was made alike, to the same bits as without a break.
function Trainer:resume(path)
  self:_check(lib.cae_trainer_resume(self:_c(), buffers.c_string(path, "path")))
end

local close = Trainer.close

function Trainer:close()
  if (self._calls or 0) > 0 then
    errors.argument("a callback cannot close its trainer; return true to stop")
  end
  close(self)
end

return { Optimizer = Optimizer, Trainer = Trainer }
