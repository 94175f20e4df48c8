--- @include "mend_batches"
-- A poison item may kill its taker, and with that all that is in flight there. So of the suspects one flies at a time in
-- the whole fleet: what was lost along with the poison is not lost with it again.
local function suspect_flies(b)
  local id = redis.call('HGET', b.keys.state, 'suspect')
  local batch = id and read_batch(b, id)
  return batch and batch.phase == 'l' or false
end

local due_retry
do
-- The first id from a score on, below 0, and its score.
local function first_due(b, from)
  local first = redis.call('ZRANGEBYSCORE', b.keys.leases, from, '(0', 'WITHSCORES', 'LIMIT', 0, 1)
  return first[1], tonumber(first[2] or nil)
end

local function earliest_due(b)
  local suspect, suspect_score = first_due(b, '-inf')
  if not suspect or suspect_score >= -DUE_BAND_MS then return suspect end
  local id, score = first_due(b, -DUE_BAND_MS)
  if suspect_flies(b) then return id end
  local later_ms = id and (suspect_score + SUSPECT_BAND_MS) - (score + DUE_BAND_MS) or -1
  return (later_ms < 0 or (later_ms == 0 and suspect < id)) and suspect or id
end

-- The retry that fell due first and may be taken. Where somebody else has spoilt its books they are mended first: to fail
-- on that would end a script that has written.
function due_retry(b)
  local id = earliest_due(b)
  local batch = id and read_batch(b, id)
  if id and not (batch and batch.phase == 'r' and list_length(b, id) == batch.items) then
    mend_batches(b)
    id = earliest_due(b)
    batch = id and read_batch(b, id)
  end
  return id, batch
end
end
