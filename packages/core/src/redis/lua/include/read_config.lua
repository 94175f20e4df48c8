-- The options that the scripts need. configure.lua compiles them into one field, numbers as numbers, since a call that
-- reads and converts them one by one would spend more on that than on a push. nil when the buffer was never declared, and
-- when somebody else wrote the field: then it is declared again.
local function read_config(key)
  local compiled = redis.call('HGET', key, 'compiled')
  local read, config = pcall(cmsgpack.unpack, compiled or '')
  if not read or type(config) ~= 'table' or type(config.max_size) ~= 'number' then return nil end
  return config
end
