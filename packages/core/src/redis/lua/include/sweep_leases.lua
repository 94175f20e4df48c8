--- @include "fleet_control"
--- @include "follow_clock"
--- @include "mend_batches"
--- @include "retry"
-- A lease that has ended is a failed flush of its batch; what it becomes is due at once. The old id is gone with that,
-- so whoever held it can settle nothing any more (I8). One that failed before may be what kills its takers: a suspect.
-- A lost lease says nothing about the downstream, but the breaker must not wait for a probe that is gone.
local MAX_SWEPT = 16

local function sweep_leases(b)
  follow_clock(b)
  local due = redis.call('ZRANGEBYSCORE', b.keys.leases, '-inf', b.now, 'LIMIT', 0, MAX_SWEPT)
  for _, id in ipairs(due) do
    local batch = read_batch(b, id)
    if not batch or not batch.phase or list_length(b, id) ~= batch.items then
      mend_batches(b)
      batch = read_batch(b, id)
    end
    if batch and batch.phase == 'l' then
      touch(b)
      count(b, 'leasesLost', 1)
      if batch.probe then control_lost(b, batch) end
      local _, dead = fail_batch(b, id, batch, 'lease lost', function() return 0 end, batch.attempts > 0)
      if dead > 0 then
        add_to_rate(b, dead)
        follow_fill(b)
      end
    end
  end
end
