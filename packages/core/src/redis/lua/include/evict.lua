--- @include "dead_letters"
--- @include "records"
-- drop_oldest: makes room for `bytes` by evicting the oldest ready items, lowest lane first, never from a lane above
-- the newcomer's. Returns how many were evicted, or nil, and then nothing was, when that can't make room. Over a lowered
-- limit, of items or bytes, nothing is: no more than what the newcomer itself needs is ever evicted for it.
local function plan_eviction(b, newcomer_lane, bytes)
  local c = b.config
  if b.size > c.max_size or (c.max_bytes and b.bytes > c.max_bytes) then return nil end
  local need_items = b.size + 1 - c.max_size
  local need_bytes = c.max_bytes and b.bytes + bytes - c.max_bytes or 0
  local plan = {}
  for lane = 3, newcomer_lane, -1 do
    local from = 0
    while (need_items > 0 or need_bytes > 0) and from < b.ready[lane] do
      local record = redis.call('LINDEX', b.keys.lanes[lane], from)
      need_items = need_items - 1
      need_bytes = need_bytes - payload_bytes(record)
      from = from + 1
    end
    plan[lane] = from
  end
  if need_items > 0 or need_bytes > 0 then return nil end
  return plan
end

local function evict(b, newcomer_lane, bytes)
  local plan = plan_eviction(b, newcomer_lane, bytes)
  if not plan then return nil end
  local total = 0
  for lane = 3, newcomer_lane, -1 do
    for _ = 1, plan[lane] do
      local record = redis.call('LPOP', b.keys.lanes[lane])
      b.ready[lane] = b.ready[lane] - 1
      b.size = b.size - 1
      b.bytes = b.bytes - payload_bytes(record)
      if b.config.dead_letter_evictions then
        add_dead_letter(b, record, 'evicted', 0, b.now)
      else
        count(b, 'evicted:' .. LANE_NAME[lane], 1)
      end
      total = total + 1
    end
  end
  return total
end
