--- @include "fleet_control"
--- @include "follow_clock"
--- @include "mend_batches"
--- @include "retry"
-- A lease that has ended is a failed flush of its batch; what it becomes is due at once. The old id is gone with that,
-- so whoever held it can settle nothing any more (I8). One that failed before may be what kills its takers: a suspect.
-- A lost lease says nothing about the downstream, but the breaker must not wait for a probe that is gone.
local sweep_leases
do
local MAX_SWEPT = 16
local MAX_FALLEN_DUE = 200

local function sweep_lease(b, id)
  local batch = read_batch(b, id)
  if not batch or not batch.phase or list_length(b, id) ~= batch.items then
    mend_batches(b)
    batch = read_batch(b, id)
  end
  if not batch or batch.phase ~= 'l' then return end
  touch(b)
  count(b, 'leasesLost', 1)
  if is_awaited(b, batch) then control_lost(b, batch) end
  local _, dead = fail_batch(b, id, batch, 'lease lost', function() return 0 end, batch.attempts > 0 and 'suspect')
  if dead > 0 then
    add_to_rate(b, dead)
    follow_fill(b)
  end
end

-- Of what has fallen due the retries go to their band, and the rest is returned. Whoever gets nothing while more is left
-- asks again at once.
local function part_due(b)
  local due = redis.call('ZRANGEBYSCORE', b.keys.leases, 0, b.now, 'WITHSCORES', 'LIMIT', 0, MAX_FALLEN_DUE)
  b.more_due = #due == 2 * MAX_FALLEN_DUE
  local ended, moved = {}, {}
  for i = 1, #due, 2 do
    local line = redis.call('HGET', b.keys.batches, due[i])
    if line and string.sub(line, 1, 2) == 'r ' then
      moved[#moved + 1] = due_score(due[i], tonumber(due[i + 1]))
      moved[#moved + 1] = due[i]
    else
      ended[#ended + 1] = due[i]
    end
  end
  if #moved > 0 then redis.call('ZADD', b.keys.leases, unpack(moved)) end
  return ended
end

function sweep_leases(b)
  follow_clock(b)
  local ended = part_due(b)
  for i = 1, math.min(#ended, MAX_SWEPT) do sweep_lease(b, ended[i]) end
end
end
