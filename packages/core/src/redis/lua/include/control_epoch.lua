--- @include "latency_buckets"
-- What the fleet has seen since its last decision. Mirrors domain/control/epoch.ts; the histogram is the hash `epoch`. A
-- block of its own, since a script has room for 200 local names.
local new_epoch, count_flush, counts_if_over, observation_of
do
local MIN_EPOCH_MS = 1000
local LONG_EPOCH_MS = 5000
local FEWER_SAMPLES = 10
local LONGEST_EPOCH_MS = 10000
local FEWEST_SAMPLES = 5
local EPOCH_LATENCIES = 3
local QUARTILES_APART = 1.349

function new_epoch(start_ms, in_flight)
  return {
    startMs = start_ms, samples = 0, flushed = 0, batches = 0, failures = 0, throttled = 0, backlogged = 0,
    maxInFlight = in_flight,
  }
end

local function quantile_ms(counts, samples, p)
  if samples == 0 then return 0 end
  local rank = p * samples
  local below = 0
  for bucket = 0, BUCKETS - 1 do
    local here = counts[bucket] or 0
    if here > 0 and below + here >= rank then
      local lower, upper = bucket_bounds(bucket)
      return lower + ((upper - lower) * (rank - below)) / here
    end
    below = below + here
  end
  return 0
end

local function spread_of(counts, samples)
  if samples == 0 then return 0 end
  return math.log(quantile_ms(counts, samples, 0.75) / quantile_ms(counts, samples, 0.25)) / QUARTILES_APART
end

-- One that was taken before the epoch ran under other permits: it counts as throughput only.
function count_flush(b, epoch, report)
  local before = epoch.startMs
  if before == 0 then epoch.startMs = b.now end
  if report.outcome == 'flushed' then epoch.flushed = epoch.flushed + 1 end
  if report.takenAtMs < before then return end
  epoch.batches = epoch.batches + 1
  if report.retryAfterMs > 0 then epoch.throttled = epoch.throttled + 1 end
  if report.outcome == 'flushed' then
    count_latency(b, report.latencyMs)
    epoch.samples = epoch.samples + 1
  elseif report.outcome ~= 'throttled' then
    epoch.failures = epoch.failures + 1
  end
  if report.fullBatchWaited then epoch.backlogged = epoch.backlogged + 1 end
end

local function enough_batches(elapsed_ms, wanted_samples)
  if elapsed_ms < LONG_EPOCH_MS then return wanted_samples end
  return elapsed_ms < LONGEST_EPOCH_MS and math.min(wanted_samples, FEWER_SAMPLES) or FEWEST_SAMPLES
end

-- The counts of the epoch when it is time for a decision, else nil. What is cheap is asked first. The law is told of the
-- samples that are there: where somebody else has deleted some, a median of more would be none.
function counts_if_over(b, epoch, wanted_samples)
  local elapsed_ms = b.now - epoch.startMs
  if epoch.startMs == 0 or elapsed_ms < MIN_EPOCH_MS then return nil end
  if epoch.batches < enough_batches(elapsed_ms, wanted_samples()) then return nil end
  local counts
  counts, epoch.samples = read_buckets(b)
  if elapsed_ms < EPOCH_LATENCIES * quantile_ms(counts, epoch.samples, 0.5) then return nil end
  return counts
end

function observation_of(b, epoch, counts, report)
  local elapsed_ms = b.now - epoch.startMs
  return {
    latencyMs = quantile_ms(counts, epoch.samples, 0.5), spread = spread_of(counts, epoch.samples),
    samples = epoch.samples, batches = epoch.batches, failures = epoch.failures, throttled = epoch.throttled,
    backlogged = epoch.backlogged, flushesPerSecond = elapsed_ms > 0 and epoch.flushed * 1000 / elapsed_ms or 0,
    maxInFlight = epoch.maxInFlight, ready = report.ready, state = b.state, slots = b.slots,
  }
end
end
