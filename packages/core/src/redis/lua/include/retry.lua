--- @include "batches"
--- @include "dead_letters"
--- @include "drain_rate"
--- @include "records"
-- What happens to the items of a batch that were not flushed. What it becomes is named after the batch and the
-- revision, since a taker may use an id again, and after its half: `a` and `b`, or `c` and `d` of a suspect.
local MAX_DRAINING_DELAY_MS = 1000

local function retry_delay_ms(b, attempts, jitter, min_ms)
  local c = b.config
  local ms = c.backoff_delay_ms
  if c.backoff_type == 'exponential' then ms = math.min(c.backoff_max_ms, ms * 2 ^ (attempts - 1)) end
  ms = math.floor(ms * (0.5 + jitter / 2))
  if b.state == 'draining' then ms = math.min(ms, MAX_DRAINING_DELAY_MS) end
  return math.max(ms, min_ms)
end

local function retry_id(b, id, half)
  return id .. '.' .. b.revision .. half
end

local function store_retry(b, id, records, attempts, first_ms, due_ms)
  local bytes = 0
  for _, record in ipairs(records) do bytes = bytes + payload_bytes(record) end
  push_all(batch_key(b, id), records)
  local batch = {
    phase = 'r', items = #records, bytes = bytes, attempts = attempts, lease_ms = 0, first_ms = first_ms, taken_ms = 0,
  }
  write_batch(b, id, batch, due_ms)
end

local function bury(b, record, cause, attempts, first_ms)
  release_items(b, 1, payload_bytes(record))
  add_dead_letter(b, record, cause, attempts, first_ms)
end

-- Gives a batch back whole, its attempts as they were: it was not tried, or is not to blame. Due then.
local function give_back(b, id, batch, due_ms)
  forget_batch(b, id, batch)
  local waiting_id = retry_id(b, id, 'a')
  redis.call('RENAME', batch_key(b, id), batch_key(b, waiting_id))
  batch.phase, batch.lease_ms, batch.probe = 'r', 0, false
  write_batch(b, waiting_id, batch, due_ms)
end

-- A batch failed as a whole. One item is retried, or dies at maxAttempts; more are halved, so that a poison item is
-- isolated in about log2(items) steps and its healthy neighbours get through. What a failure is beside a failure is its
-- sign: `suspect`, of what kills its takers; `outage`, it counts no attempt. Returns retried, dead.
local function fail_batch(b, id, batch, cause, delay_of, sign)
  local records = redis.call('LRANGE', batch_key(b, id), 0, -1)
  local counts = sign ~= 'outage'
  local attempts = batch.attempts + (counts and 1 or 0)
  local first_ms = batch.first_ms > 0 and batch.first_ms or b.now
  forget_batch(b, id, batch)
  redis.call('UNLINK', batch_key(b, id))
  count(b, 'batchesFailed', 1)
  if counts and #records == 1 and attempts >= b.config.max_attempts then
    bury(b, records[1], cause, attempts, first_ms)
    return 0, 1
  end
  local due_ms = b.now + delay_of(batch.attempts + 1)
  local half = math.ceil(#records / 2)
  local first, second = {}, {}
  for i, record in ipairs(records) do
    local part = i <= half and first or second
    part[#part + 1] = record
  end
  local suspect = sign == 'suspect'
  store_retry(b, retry_id(b, id, suspect and 'c' or 'a'), first, attempts, first_ms, due_ms)
  if #second > 0 then store_retry(b, retry_id(b, id, suspect and 'd' or 'b'), second, attempts, first_ms, due_ms) end
  count(b, 'retried', #records)
  return #records, 0
end
