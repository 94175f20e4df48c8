-- A field of the state that is MessagePack; nil when it is not there, or was overwritten by somebody else.
local function unpack_field(b, field)
  local packed = redis.call('HGET', b.keys.state, field)
  local ok, value = pcall(cmsgpack.unpack, packed or '')
  return ok and type(value) == 'table' and value or nil
end
