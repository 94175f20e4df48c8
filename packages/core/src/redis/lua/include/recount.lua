--- @include "records"
--- @include "stream"
-- What the state hash says of the batches, from the batches themselves. Writes nothing.
local function recount_batches(b)
  local items, bytes, leased = 0, 0, 0
  local flat = redis.call('HGETALL', b.keys.batches)
  for i = 2, #flat, 2 do
    local phase, batch_items, batch_bytes = string.match(flat[i], '^(%l) (%d+) (%d+) ')
    if phase then
      items = items + tonumber(batch_items)
      bytes = bytes + tonumber(batch_bytes)
      if phase == 'l' then leased = leased + 1 end
    end
  end
  b.size = b.size - b.inFlight + items
  b.bytes = b.bytes - b.inFlightBytes + bytes
  b.inFlight, b.inFlightBytes, b.inFlightBatches = items, bytes, leased
end

-- Ids of a stream rise for ever, and ours begin with the revision.
local function follow_streams(b)
  b.revision = math.max(b.revision, last_given(b.keys.events), last_given(b.keys.dead))
end

-- The state hash is gone, or a field of it is no number: somebody else deleted or overwrote it. The sizes follow from
-- the lists, and the revision from the streams; the counters start anew, and the books say so (I2). O(items) once. A new
-- buffer has nothing to count.
local function recount_state(b)
  b.bytes, b.inFlight, b.inFlightBytes = 0, 0, 0
  b.size = b.ready[1] + b.ready[2] + b.ready[3]
  recount_batches(b)
  for lane = 1, 3 do
    for first = 0, b.ready[lane] - 1, 1000 do
      for _, record in ipairs(redis.call('LRANGE', b.keys.lanes[lane], first, first + 999)) do
        b.bytes = b.bytes + payload_bytes(record)
      end
    end
  end
  follow_streams(b)
  b.stateEpoch = math.max(b.stateEpoch, b.revision)
  local newest = redis.call('ZREVRANGE', b.keys.waiters, 0, 0, 'WITHSCORES')[2]
  b.ticketOrder = math.max(b.ticketOrder, tonumber(newest or 0))
  b.grantedOrder = math.min(b.grantedOrder, b.ticketOrder)
end
