-- The line of blocked pushes: `waiters` holds their order, `tickets` until when each is alive.
local TICKET_TTL_MS = 5000
local MAX_WAITERS = 100000
local MAX_ANNOUNCED = 1000

local function leave_line(b, id)
  redis.call('ZREM', b.keys.tickets, id)
  if redis.call('ZREM', b.keys.waiters, id) == 1 then
    b.waiting = math.max(0, b.waiting - 1)
    give_room(b)
  end
end

-- Somebody else deleted tickets: a place without one would be held for ever. O(waiters), and only then.
local function give_tickets(b)
  for _, id in ipairs(redis.call('ZRANGE', b.keys.waiters, 0, -1)) do
    redis.call('ZADD', b.keys.tickets, 'NX', b.now + TICKET_TTL_MS, id)
  end
end

-- A producer that died must not hold a place for ever. Once per call.
local function prune_line(b)
  if b.pruned or b.waiting == 0 then return end
  b.pruned = true
  if b.tickets ~= b.waiting then give_tickets(b) end
  local lost = redis.call('ZRANGEBYSCORE', b.keys.tickets, '-inf', b.now, 'LIMIT', 0, 100)
  if #lost > 0 then touch(b) end
  for _, id in ipairs(lost) do leave_line(b, id) end
end

-- Items that surely fit, whatever their size.
local function free_slots(b)
  local free = b.config.max_size - b.size
  if b.config.max_bytes then
    free = math.min(free, math.floor((b.config.max_bytes - b.bytes) / b.config.max_item_bytes))
  end
  return free
end

-- How many from the head of the line may try: with a byte limit the first may, as its own size decides.
local function turns(b)
  local free = free_slots(b)
  if free < 1 and b.config.max_bytes and b.bytes < b.config.max_bytes and b.size < b.config.max_size then
    return 1
  end
  return free
end

-- Wakes as many as there is room for, and nobody twice for the same room.
local function announce_space(b)
  if not b.room_given or b.waiting == 0 or b.config.strategy ~= 'block' or turns(b) < 1 then return end
  prune_line(b)
  local last = math.min(turns(b), MAX_ANNOUNCED) - 1
  local line = redis.call('ZRANGE', b.keys.waiters, 0, last, 'WITHSCORES')
  local ids = {}
  for i = 1, #line, 2 do
    local order = tonumber(line[i + 1])
    if order > b.grantedOrder then
      ids[#ids + 1] = line[i]
      b.grantedOrder = order
    end
  end
  if #ids > 0 then publish(b, 'space ' .. table.concat(ids, ' ')) end
end
