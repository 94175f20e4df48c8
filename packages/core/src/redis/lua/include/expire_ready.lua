--- @include "move_state"
--- @include "records"
-- Drops items that are older than maxItemAgeMs from the head of a lane, at most `limit`; returns how many. The caller
-- lets the state follow.
local function expire_ready(b, lane, limit)
  local max_age_ms = b.config.max_age_ms
  if not max_age_ms then return 0 end
  local dropped = 0
  while dropped < limit and b.ready[lane] > 0 do
    local record = redis.call('LINDEX', b.keys.lanes[lane], 0)
    if b.now - enqueued_at(record) <= max_age_ms then break end
    redis.call('LPOP', b.keys.lanes[lane])
    b.ready[lane] = b.ready[lane] - 1
    b.size = b.size - 1
    b.bytes = b.bytes - payload_bytes(record)
    dropped = dropped + 1
  end
  if dropped > 0 then
    touch(b)
    give_room(b)
    count(b, 'expired', dropped)
  end
  return dropped
end
