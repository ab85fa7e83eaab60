-- The description of a network: a list of layers. Calls can be chained; one that fails changes nothing.
local lib = require("cae.library")
local Context = require("cae.context")
local handle = require("cae.handle")
local numbers = require("cae.numbers")
local structs = require("cae.structs")

jit.off(true, true) -- see handle.lua

local Spec = handle.class("spec")

-- An empty description.
function Context:spec()
  return Spec._create(lib.cae_spec_create, self:_c(), self._keep, self:_c())
end

local function add(spec, append, in_channels, out_channels, given)
  local options = structs.options("cae_conv_options", given)
  in_channels = numbers.int32(in_channels, "in_channels")
  out_channels = numbers.int32(out_channels, "out_channels")
  spec:_check(append(spec:_c(), in_channels, out_channels, options))
  return spec
end

-- Append a convolution. Options: kernel 3, stride 1, padding 0, dilation 1, each a number or
-- {vertical, horizontal}; bias true, activation "none", slope 0.01.
function Spec:conv(in_channels, out_channels, options)
  return add(self, lib.cae_spec_add_conv, in_channels, out_channels, options)
end

-- Append a transposed convolution: the adjoint of the convolution with the same options; also
-- output_padding 0.
function Spec:conv_transpose(in_channels, out_channels, options)
  return add(self, lib.cae_spec_add_conv_transpose, in_channels, out_channels, options)
end

-- What has been added so far is the encoder; what follows is the decoder.
function Spec:end_encoder()
  self:_check(lib.cae_spec_end_encoder(self:_c()))
  return self
end

-- A whole model gives its input plus what its layers make of it, y = x + f(x); false takes it away.
function Spec:residual(residual)
  self:_check(lib.cae_spec_set_residual(self:_c(), residual == false and 0 or 1))
  return self
end

-- Append the four layers of the reference network.
function Spec:reference()
  self:_check(lib.cae_spec_add_reference(self:_c()))
  return self
end

return Spec
