--- @include "mend_batches"
-- A key of somebody else under one of our names is refused, naming its type, before anything is written: Redis does not
-- roll back, so a write that fails later would leave half a decision. Each of these is O(1).
local function expect_own_keys(keys)
  redis.call('XLEN', keys.dead)
  redis.call('HLEN', keys.epoch)
  for _, key in ipairs({ keys.nodes, keys.waiters, keys.tickets }) do redis.call('ZCARD', key) end
  return redis.call('ZCARD', keys.leases), redis.call('HLEN', keys.batches)
end

local function expect_sound_keys(b)
  local leases, batches = expect_own_keys(b.keys)
  if leases ~= batches or (batches == 0 and b.inFlight ~= 0) then mend_batches(b) end
end
