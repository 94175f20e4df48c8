-- The options that the scripts need. configure.lua compiles them into one field, numbers as numbers, since a call that
-- reads and converts them one by one would spend more on that than on a push. nil when the buffer was never declared.
local function read_config(key)
  local compiled = redis.call('HGET', key, 'compiled')
  return compiled and cmsgpack.unpack(compiled) or nil
end
