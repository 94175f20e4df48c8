--- @include "line"
-- Writes back what the call has changed. The last step of every script that may write.
local function save_buffer(b)
  if b.touched then announce_space(b) end
  local changes = {}
  for _, field in ipairs(STATE_FIELDS) do
    local value = b[field]
    if value ~= b.written[field] then
      changes[#changes + 1] = field
      changes[#changes + 1] = type(value) == 'number' and decimal(value) or value
    end
  end
  if #changes > 0 then redis.call('HSET', b.keys.state, unpack(changes)) end
  for counter, n in pairs(b.counts) do redis.call('HINCRBY', b.keys.state, counter, n) end
end
