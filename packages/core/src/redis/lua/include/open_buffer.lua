--- @include "buffer_keys"
--- @include "read_config"
--- @include "recount"
--- @include "server_time"
-- The buffer as this call finds it. What the call changes in the table is written back by save_buffer.
local STATE_FIELDS = {
  'revision', 'stateEpoch', 'stateSinceMs', 'inFlight', 'inFlightBatches', 'bytes', 'inFlightBytes', 'maxSize',
  'sampleSince', 'intakePaused', 'flushPaused', 'drainUntilMs', 'ticketOrder', 'grantedOrder', 'rate', 'rateSinceMs',
  'rateCount', 'permits', 'batchSize', 'intervalMs', 'lastTakeAtMs', 'takeCount', 'slots', 'epochStartMs',
  'epochSamples', 'lastLatencyMs', 'seenMs', 'state',
}

local DEFAULTS = { state = 'normal' }
local STATE_NAMES = { normal = true, elevated = true, critical = true, blocked = true, draining = true }

local function open_buffer()
  local keys = buffer_keys()
  local config, refusal = read_config(keys.config)
  if not config then return nil, refusal end
  local values = redis.call('HMGET', keys.state, unpack(STATE_FIELDS))
  local b = { keys = keys, config = config, now = server_time(), counts = {}, written = {}, events = 0, letters = 0 }
  local damaged = not values[1]
  for i, field in ipairs(STATE_FIELDS) do
    local value = values[i] or DEFAULTS[field] or 0
    local sound = STATE_NAMES[value]
    if field ~= 'state' then
      value = tonumber(value)
      sound = value and math.abs(value) < math.huge
    end
    if sound then b.written[field] = value else damaged, value = true, DEFAULTS[field] or 0 end
    b[field] = value
  end
  b.ready = { redis.call('LLEN', keys.high), redis.call('LLEN', keys.normal), redis.call('LLEN', keys.low) }
  b.size = b.ready[1] + b.ready[2] + b.ready[3] + b.inFlight
  b.waiting = config.strategy == 'block' and redis.call('ZCARD', keys.waiters) or 0
  if damaged then
    recount_state(b)
    b.written.revision = nil
  end
  if b.size == b.inFlight then b.bytes = b.inFlightBytes end
  -- What another key under one of these names would spoil is refused here, before the first write.
  redis.call('XLEN', keys.events)
  if config.strategy == 'block' then b.tickets = redis.call('ZCARD', keys.tickets) end
  if config.dead_letter_evictions then redis.call('XLEN', keys.dead) end
  return b
end

local function ready_count(b)
  return b.size - b.inFlight
end

local function count(b, counter, n)
  if n ~= 0 then b.counts[counter] = (b.counts[counter] or 0) + n end
end

-- The first change of a call raises the revision, so that one call is one revision.
local function touch(b)
  if b.touched then return end
  b.touched = true
  b.revision = b.revision + 1
end

-- Somebody who waits in line may have a chance now.
local function give_room(b)
  b.room_given = true
end

local function publish(b, message)
  redis.call('PUBLISH', b.keys.prefix .. 'signal', message)
end

local function decimal(number)
  return string.format('%.17g', number)
end
