--- @include "batches"
--- @include "breaker"
--- @include "control_epoch"
--- @include "effective"
--- @include "elastic_law"
--- @include "flush_rate"
--- @include "full_batch"
--- @include "move_state"
--- @include "unpack_field"
-- The control loop of the fleet. Mirrors domain/control/fleet-control.ts. The field `control` of the state holds what
-- every take and settlement changes, the field `law` what only a decision does; both are MessagePack.
local function open_control(b)
  b.control = b.control or unpack_field(b, 'control')
    or { epoch = new_epoch(0, 0), breaker = circuit.closed(0), holdUntilMs = 0, holdToldMs = 0, scheduledTakeMs = 0 }
  return b.control
end

local function change_control(b)
  b.control_changed = true
  return open_control(b)
end

local function elastic_limits(c)
  return {
    batchSize = c.batch_size, maxBatchSize = c.max_batch_size, minFlushIntervalMs = c.min_interval_ms,
    maxFlushIntervalMs = c.max_interval_ms, targetLatencyMs = c.target_latency_ms,
    maxConcurrentFlushes = c.permits, flushTimeoutMs = c.flush_timeout_ms, observed = not c.enforced,
  }
end

local function read_law(b)
  return unpack_field(b, 'law') or elastic.initial(elastic_limits(b.config))
end

-- What is decided is in force at once.
local function write_law(b, law)
  redis.call('HSET', b.keys.state, 'law', cmsgpack.pack(law))
  b.permits = math.floor(law.permits)
  b.batchSize = math.floor(law.batchSize)
  if law_rules(b) then b.intervalMs = law.intervalMs end
end

-- The histogram is the law's that is in force: under `interval` it is not this epoch's, and a breaker that turns must
-- leave it alone.
local function forget_epoch(b, start_ms)
  change_control(b).epoch = new_epoch(start_ms, b.inFlightBatches)
  if b.config.algorithm == 'elastic' then redis.call('UNLINK', b.keys.epoch) end
end

-- Options have changed. Where the law begins to rule, or its batch is another now, what was seen before says nothing.
local function follow_limits(b, ruled)
  local control, rate = change_control(b), b.config.max_flushes_per_second
  control.scheduledTakeMs = rescheduled_ms(control.scheduledTakeMs, b.now, rate)
  local limits, before = elastic_limits(b.config), read_law(b)
  local law = elastic.within_limits(law_rules(b) and not ruled and elastic.initial(limits) or before, limits)
  if law == before then return end
  write_law(b, law)
  forget_epoch(b, b.now)
end

local function is_awaited(b, batch)
  return batch.probe and circuit.awaits(open_control(b).breaker, batch)
end

-- A batch came back untried; if it was the probe another may be taken.
local function control_released(b, probe)
  if probe then change_control(b).breaker.phase = 'open' end
end

-- Where somebody else has deleted the books of the probe nobody will say what became of it: another may be taken.
local function follow_probe(b)
  local control = open_control(b)
  if control.breaker.phase ~= 'half_open' then return end
  local probe = control.probeId and read_batch(b, control.probeId)
  control_released(b, not probe or probe.phase ~= 'l')
end

-- Returns pass, probe, or wait with the reason and the time.
local function control_verdict(b)
  follow_probe(b)
  local control, c = open_control(b), b.config
  local verdict, wait_ms = circuit.verdict(control.breaker, b.now)
  if verdict == 'wait' and c.enforced then return verdict, 'breaker', wait_ms end
  if control.holdUntilMs > b.now then return 'wait', 'hold', control.holdUntilMs - b.now end
  if c.max_flushes_per_second and control.scheduledTakeMs > b.now then
    return 'wait', 'rate', math.ceil(control.scheduledTakeMs - b.now)
  end
  return verdict == 'probe' and 'probe' or 'pass'
end

-- Under that id, if it is the probe.
local function control_taken(b, probe_id)
  local control = change_control(b)
  control.epoch.maxInFlight = math.max(control.epoch.maxInFlight, b.inFlightBatches)
  if probe_id then control.breaker.phase, control.probeId = 'half_open', probe_id end
  local rate = b.config.max_flushes_per_second
  control.scheduledTakeMs = rate and next_take_ms(control.scheduledTakeMs, b.now, rate) or 0
end

local function breaker_is_open(b)
  return b.config.enforced and open_control(b).breaker.phase ~= 'closed'
end

local function tell_decision(b, reason, before, law, seen)
  local control = b.control
  local fields = {
    reason = reason, fromPermits = before.permits, toPermits = law.permits, intervalMs = law.intervalMs,
    fromBatchSize = before.batchSize, batchSize = law.batchSize, latencyMs = law.latencyMs,
    fromBaselineMs = before.baselineMs, baselineMs = law.baselineMs, spread = seen.spread, samples = seen.samples,
    batches = seen.batches, failures = seen.failures, throttled = seen.throttled, backlogged = seen.backlogged,
    flushesPerSecond = seen.flushesPerSecond, inFlight = seen.maxInFlight, ready = seen.ready, state = seen.state,
    slots = seen.slots, breaker = control.breaker.phase, holdMs = math.max(0, control.holdUntilMs - b.now),
  }
  control.holdToldMs = control.holdUntilMs
  local flat = {}
  for name, value in pairs(fields) do
    flat[#flat + 1] = name
    flat[#flat + 1] = type(value) == 'number' and decimal(value) or value
  end
  add_event(b, 'kind', 'control', unpack(flat))
  publish(b, 'control ' .. cjson.encode(fields))
end

-- In the middle of an epoch, with what was seen in it so far. The laws are given where one follows the other.
local function tell_so_far(b, reason, ready, before, law)
  local counts, epoch = {}, b.control.epoch
  if b.config.algorithm == 'elastic' then counts, epoch.samples = read_buckets(b) end
  before = before or read_law(b)
  tell_decision(b, reason, before, law or before, observation_of(b, epoch, counts, { ready = ready }))
end

-- One that was switched off holds up nobody any more. Returns whether that was told.
local function close_breaker(b)
  local control = change_control(b)
  local turns = control.breaker.phase ~= 'closed'
  control.breaker = circuit.closed(0)
  if not turns then return false end
  tell_so_far(b, 'breaker', ready_count(b))
  forget_epoch(b, b.now)
  return true
end

-- An operator ends the pause of the downstream and closes the breaker.
local function control_resumed(b)
  local control = change_control(b)
  local held = control.holdUntilMs > b.now
  control.holdUntilMs, control.holdToldMs = 0, 0
  if not close_breaker(b) and held then tell_so_far(b, 'retry_after', ready_count(b)) end
end

local control_flushed
do
-- A pause is told when it ends so much later than was told last: once in this time, however short and many they are.
local TOLD_AGAIN_MS = 1000

local function tell_pause(b, ready)
  local told_ms = b.control.holdToldMs or 0 -- the edition before did not note it
  if b.control.holdUntilMs - told_ms >= TOLD_AGAIN_MS then tell_so_far(b, 'retry_after', ready) end
end

local function next_breaker(b, breaker, report, jitter)
  if not b.config.breaker_enabled then return circuit.closed(0) end
  if report.outcome == 'throttled' and not report.probe then return breaker end
  local failed = report.outcome == 'failed' or report.outcome == 'lost'
  return circuit.after_flush(breaker, failed, report.probe, b.now, jitter, b.config)
end

-- The breaker opened or closed: what was seen before says nothing about what comes after.
local function turn_breaker(b, report)
  local before, law = read_law(b), nil
  if b.control.breaker.phase == 'closed' then
    law = elastic.recovering(before)
    write_law(b, law)
  end
  tell_so_far(b, 'breaker', report.ready, before, law)
  forget_epoch(b, b.now)
end

function control_flushed(b, report, jitter)
  local control = change_control(b)
  if report.retryAfterMs > 0 then control.holdUntilMs = math.max(control.holdUntilMs, b.now + report.retryAfterMs) end
  local phase = control.breaker.phase
  control.breaker = next_breaker(b, control.breaker, report, jitter)
  if control.breaker.phase ~= phase then return turn_breaker(b, report) end
  if phase ~= 'closed' or b.config.algorithm ~= 'elastic' then return tell_pause(b, report.ready) end
  local law
  local function wanted_samples()
    law = read_law(b)
    return law.wantedSamples
  end
  count_flush(b, control.epoch, report)
  local counts = counts_if_over(b, control.epoch, wanted_samples)
  if not counts then return tell_pause(b, report.ready) end
  local seen = observation_of(b, control.epoch, counts, report)
  local after, reason = elastic.decide(law, seen, elastic_limits(b.config))
  write_law(b, after)
  tell_decision(b, reason, law, after, seen)
  forget_epoch(b, b.now)
end
end

local MIDDLE_JITTER = 0.5

-- The lease of the probe has ended.
local function control_lost(b, batch)
  control_flushed(b, {
    outcome = 'lost', latencyMs = 0, retryAfterMs = 0, takenAtMs = batch.taken_ms, probe = true, ready = ready_count(b),
    fullBatchWaited = full_batch_waits(b),
  }, MIDDLE_JITTER)
end
