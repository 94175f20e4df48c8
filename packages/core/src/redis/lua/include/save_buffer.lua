--- @include "add_to_field"
--- @include "line"
-- Writes back what the call has changed. The last step of every script that may write. The sentence in `about` is long
-- for a reason: with a value of over 64 bytes Redis looks the fields up by hash, and not by search, at half the cost.
local ABOUT = 'The state of a backpressure buffer, written by its scripts only; docs/design.md explains each field.'

local function save_buffer(b)
  announce_space(b)
  local changes = {}
  if b.revision == 1 and b.touched then changes = { 'about', ABOUT } end
  for _, field in ipairs(STATE_FIELDS) do
    local value = b[field]
    if value ~= b.written[field] then
      changes[#changes + 1] = field
      changes[#changes + 1] = value
    end
  end
  if b.control_changed then
    changes[#changes + 1] = 'control'
    changes[#changes + 1] = cmsgpack.pack(b.control)
  end
  if #changes > 0 then redis.call('HSET', b.keys.state, unpack(changes)) end
  for counter, n in pairs(b.counts) do add_to_field(b.keys.state, counter, n) end
end
