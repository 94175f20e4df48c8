-- Which state follows from how full the buffer is. Mirrors domain/state.ts.
local STATES = { 'normal', 'elevated', 'critical', 'blocked' }
local STATE_RANK = { normal = 1, elevated = 2, critical = 3, blocked = 4 }

local function utilization_of(b)
  local by_items = b.size / b.config.max_size
  if not b.config.max_bytes then return by_items end
  return math.max(by_items, b.bytes / b.config.max_bytes)
end

local function state_at(b)
  local c = b.config
  if b.size >= c.max_size then return 'blocked' end
  if c.max_bytes and c.max_bytes - b.bytes < c.max_item_bytes then return 'blocked' end
  local utilization = utilization_of(b)
  if utilization >= c.high then return 'critical' end
  return utilization >= c.low and 'elevated' or 'normal'
end

local function next_state(b)
  local c = b.config
  local target = STATE_RANK[state_at(b)]
  local rank = STATE_RANK[b.state]
  if target >= rank then return STATES[target] end
  if b.state == 'blocked' and c.max_bytes then
    local free_bytes = math.min(c.max_bytes, c.max_item_bytes + c.hysteresis * c.max_bytes)
    if c.max_bytes - b.bytes < free_bytes then return 'blocked' end
  end
  local marks = { 0, c.low, c.high, 1 }
  local utilization = utilization_of(b)
  while rank > target and utilization < marks[rank] - c.hysteresis do rank = rank - 1 end
  return STATES[rank]
end
