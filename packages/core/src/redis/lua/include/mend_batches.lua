--- @include "batches"
--- @include "recount"
--- @include "records"
-- Somebody else has deleted or overwritten a part of the books of the batches. What is left of the items is kept: a list
-- whose line is gone is due for a retry, and a line whose list is gone is taken off the books, where its items are then
-- missing (I2 says how many). O(batches), and only when something does not fit.
local function list_length(b, id)
  local length = redis.pcall('LLEN', batch_key(b, id))
  return type(length) == 'number' and length or 0
end

local function rewrite_batch(b, id, batch, due_ms)
  local items = list_length(b, id)
  if items == 0 then return drop_batch(b, id) end
  batch.items, batch.bytes = items, 0
  for first = 0, items - 1, 100 do
    for _, record in ipairs(redis.call('LRANGE', batch_key(b, id), first, first + 99)) do
      batch.bytes = batch.bytes + payload_bytes(record)
    end
  end
  write_batch(b, id, batch, due_ms)
end

local function mend_batches(b)
  touch(b)
  local waiting = { phase = 'r', attempts = 0, lease_ms = 0, first_ms = 0, taken_ms = 0 }
  for _, id in ipairs(redis.call('HKEYS', b.keys.batches)) do
    local batch = read_batch(b, id)
    local score = tonumber(redis.call('ZSCORE', b.keys.leases, id) or nil)
    local due_ms = score and score >= 0 and score or b.now
    if not batch.phase then rewrite_batch(b, id, waiting, b.now)
    elseif list_length(b, id) ~= batch.items then rewrite_batch(b, id, batch, due_ms)
    elseif not score or (batch.phase == 'l' and score < 0) then write_batch(b, id, batch, b.now + batch.lease_ms) end
  end
  for _, id in ipairs(redis.call('ZRANGE', b.keys.leases, 0, -1)) do
    if redis.call('HEXISTS', b.keys.batches, id) == 0 then rewrite_batch(b, id, waiting, b.now) end
  end
  recount_batches(b)
  give_room(b)
end
