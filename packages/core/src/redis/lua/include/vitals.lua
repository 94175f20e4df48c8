--- @include "drain_rate"
--- @include "effective"
-- The buffer right after the call, as every reply that changed something carries it.
local function vitals(b, tag)
  local c = b.config
  return {
    tag, b.revision, b.state, b.stateEpoch, b.size, ready_count(b), b.bytes, c.max_size, c.max_bytes or '',
    b.inFlightBatches, permits_of(b), batch_size_of(b), decimal(b.intervalMs), decimal(drain_rate(b)), c.version,
  }
end

local function append(reply, ...)
  for _, value in ipairs({ ... }) do reply[#reply + 1] = value end
  return reply
end
