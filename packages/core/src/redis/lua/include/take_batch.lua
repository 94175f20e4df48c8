--- @include "due_retry"
--- @include "expire_ready"
--- @include "fleet_control"
--- @include "full_batch"
--- @include "sweep_leases"
--- @include "vitals"
-- Takes a batch under the taker's id: permit, pace, batch and lease in one step. A block of its own, since a script has
-- room for 200 local names.
local take_batch
do
local MAX_EXPIRED_PER_TAKE = 1000
local PIECE = 50
local LEADING_LANE = { [0] = 1, 1, 1, 1, 1, 1, 1, 2, 2, 3 }

local function batch_reply(b, batch, records)
  local reply = append(vitals(b, 'batch'), batch.attempts, batch.lease_ms, b.config.flush_timeout_ms)
  local n = #reply
  for i = 1, #records do reply[n + i] = records[i] end
  return reply
end

local function records_of(b, id)
  return redis.call('LRANGE', batch_key(b, id), 0, -1)
end

local function no_batch(b, reason, wait_ms)
  return append(vitals(b, 'none'), reason, b.more_due and 1 or wait_ms)
end

local function ms_until(b, at_ms)
  return math.min(1000, math.max(1, at_ms - b.now))
end

local function ms_to_next_due(b)
  local from = suspect_flies(b) and '(' .. b.now or '-inf'
  local next_due = redis.call('ZRANGEBYSCORE', b.keys.leases, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return next_due[2] and ms_until(b, tonumber(next_due[2])) or 1000
end

-- Only the end of a lease gives a permit back; what is due for a retry stands before it in the set.
local function ms_to_next_permit(b)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', b.keys.leases, '(' .. b.now, b.now + 1000, 'LIMIT', 0, 100)) do
    local batch = read_batch(b, id)
    if batch and batch.phase == 'l' then return ms_until(b, tonumber(redis.call('ZSCORE', b.keys.leases, id))) end
  end
  return 1000
end

-- Moves items from the head of a lane to the batch, in pieces so that large items are not read in vain. Returns whether
-- the batch is full.
local function fill_from(b, lane, batch, taken)
  local want = batch_size_of(b)
  while batch.items < want and b.ready[lane] > 0 do
    local records = redis.call('LRANGE', b.keys.lanes[lane], 0, math.min(PIECE, want - batch.items) - 1)
    local fits = 0
    for _, record in ipairs(records) do
      local bytes = payload_bytes(record)
      if batch.items > 0 and batch.bytes + bytes > MAX_BATCH_BYTES then break end
      batch.items = batch.items + 1
      batch.bytes = batch.bytes + bytes
      taken[batch.items] = record
      fits = fits + 1
    end
    redis.call('LTRIM', b.keys.lanes[lane], fits, -1)
    b.ready[lane] = b.ready[lane] - fits
    if fits < #records then return true end
  end
  return batch.items >= want
end

local function lane_order(take_count)
  local leading = LEADING_LANE[take_count % 10]
  local order = { leading }
  for lane = 1, 3 do
    if lane ~= leading then order[#order + 1] = lane end
  end
  return order
end

local function take_fresh(b, id)
  local batch = { phase = 'l', items = 0, bytes = 0, attempts = 0, first_ms = 0 }
  local records = {}
  for _, lane in ipairs(lane_order(b.takeCount)) do
    if fill_from(b, lane, batch, records) then break end
  end
  push_all(batch_key(b, id), records)
  b.takeCount = b.takeCount + 1
  b.inFlight = b.inFlight + batch.items
  b.inFlightBytes = b.inFlightBytes + batch.bytes
  return batch, records
end

local function take_retry(b, id, old_id, batch)
  forget_batch(b, old_id, batch)
  if is_suspect(old_id) then redis.call('HSET', b.keys.state, 'suspect', id) end
  redis.call('RENAME', batch_key(b, old_id), batch_key(b, id))
  batch.phase = 'l'
  return batch, records_of(b, id)
end

local function oldest_stamp(b)
  local oldest
  for lane = 1, 3 do
    local record = b.ready[lane] > 0 and redis.call('LINDEX', b.keys.lanes[lane], 0)
    local at = record and enqueued_at(record)
    if at and (not oldest or at < oldest) then oldest = at end
  end
  return oldest
end

-- How long fresh items have to wait for company; 0 when they may go. Where more of them may be too old than one call
-- drops, they go when the next calls have dropped the rest.
local function ms_to_linger(b, may_be_old)
  if may_be_old then return 1 end
  if interval_rules(b) or b.state == 'draining' or full_batch_waits(b) then return 0 end
  local age_ms = b.now - oldest_stamp(b)
  -- From the future is what was admitted before the clock went back.
  return age_ms < 0 and 0 or math.max(0, b.config.min_interval_ms - age_ms)
end

local function ms_to_pace(b)
  if not interval_rules(b) then return 0 end
  return b.lastTakeAtMs + b.intervalMs / math.max(1, b.slots) - b.now
end

-- What is due for a retry comes before fresh items, and does not linger; but the breaker is probed with fresh ones, so
-- that a batch which is itself the trouble can't keep it open. Returns what to take, or nil, why not, and for how long.
local function choose(b, verdict, may_be_old)
  local retry_id, retry = due_retry(b)
  local linger_ms = ready_count(b) > 0 and ms_to_linger(b, may_be_old) or math.huge
  if retry and not (verdict == 'probe' and linger_ms == 0) then return { id = retry_id, batch = retry } end
  if linger_ms == 0 then return {} end
  if ready_count(b) == 0 then return nil, 'empty', ms_to_next_due(b) end
  return nil, 'lingering', math.ceil(linger_ms)
end

-- Why nothing may be taken whatever waits, or nil.
local function obstacle(b, verdict, reason, wait_ms)
  if verdict == 'wait' then return reason, math.min(1000, math.ceil(wait_ms)) end
  if b.inFlightBatches >= permits_of(b) then return 'permits', ms_to_next_permit(b) end
  local pace_ms = ms_to_pace(b)
  if pace_ms > 0 then return 'pace', math.ceil(pace_ms) end
end

local function lease_out(b, id, choice, verdict)
  touch(b)
  local batch, records
  if choice.id then batch, records = take_retry(b, id, choice.id, choice.batch) else batch, records = take_fresh(b, id) end
  batch.lease_ms, batch.taken_ms, batch.probe = b.config.lease_ms, b.now, verdict == 'probe'
  write_batch(b, id, batch, b.now + batch.lease_ms)
  b.inFlightBatches = b.inFlightBatches + 1
  b.lastTakeAtMs = b.now
  control_taken(b, batch.probe and id)
  return batch_reply(b, batch, records)
end

function take_batch(b, id)
  local held = read_batch(b, id)
  if held and held.phase == 'l' then
    write_batch(b, id, held, b.now + held.lease_ms)
    return batch_reply(b, held, records_of(b, id))
  end
  sweep_leases(b)
  end_drain_if_over(b)
  if b.flushPaused == 1 then return no_batch(b, 'paused', 1000) end
  local expirable = MAX_EXPIRED_PER_TAKE
  for lane = 1, 3 do expirable = expirable - expire_ready(b, lane, expirable) end
  if expirable < MAX_EXPIRED_PER_TAKE then
    follow_fill(b)
    end_drain_if_over(b)
  end
  if ready_count(b) == 0 and not due_retry(b) then return no_batch(b, 'empty', ms_to_next_due(b)) end
  local verdict, why, wait_ms = control_verdict(b)
  local reason, ms = obstacle(b, verdict, why, wait_ms)
  if reason then return no_batch(b, reason, ms) end
  local choice
  choice, reason, ms = choose(b, verdict, expirable == 0)
  if not choice then return no_batch(b, reason, ms) end
  return lease_out(b, id, choice, verdict)
end
end
