--- @include "layout"
local NOT_DECLARED = { err = 'BP_NOT_DECLARED the buffer has no configuration in Redis' }

-- The options that the scripts need. configure.lua compiles them into one field, numbers as numbers, since a call that
-- reads and converts them one by one would spend more on that than on a push. nil and the refusal when the buffer was never
-- declared, when somebody else wrote the field (then it is declared again), and when its layout is not ours.
local function read_config(key)
  local compiled = redis.call('HGET', key, 'compiled')
  local read, config = pcall(cmsgpack.unpack, compiled or '')
  if not read or type(config) ~= 'table' then return nil, NOT_DECLARED end
  local refusal = refuse_layout(config.layout)
  if refusal then return nil, refusal end
  if type(config.max_size) ~= 'number' then return nil, NOT_DECLARED end
  return config
end
