#!lua flags=allow-oom
--- configure - declares what a definition states, or changes options at run time, for the whole fleet.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- ARGV[1] action declare or patch
-- ARGV[2] onMismatch for declare: error, adopt or apply
-- ARGV[3] seal of the whole that the caller found valid; empty: none yet
-- ARGV[4] stated how many pairs of ARGV[5..] are stated (declare) or patched (patch)
-- ARGV[5..] pairs option, value: the stated ones, then (declare) the whole configuration for a new buffer, which is valid
-- Returns {'ok', version}
-- Returns {'mismatch', option, declared, stated, ...}: nothing was written
-- Returns {'unchecked', seal, option, value, ...}: the whole that would be in force is not the one that was sealed, nothing
-- was written; whether it is valid is for the caller to decide, who then asks again with its seal
-- Errors BP_LAYOUT, BP_BAD_CONFIG, BP_NOT_DECLARED (patch of a buffer that nobody declared)
-- A limit of NaN would be no limit at all: a value that looks like one is refused here too
-- Holds I5 one limit, I7 (a consumer must be able to start, and to drain, on a full Redis)
-- Cost O(options)
--- @include "open_buffer"
--- @include "fleet_control"
--- @include "move_state"
--- @include "save_buffer"
--- @include "sound_keys"
--- @include "compile_config"
--- @include "whole_number"
local config_key = KEYS[1]
local action = ARGV[1]
local on_mismatch = ARGV[2]
local seal = ARGV[3]
local stated = tonumber(ARGV[4])
local FIRST_PAIR = 5

local stored = {}
local flat = redis.call('HGETALL', config_key)
for i = 1, #flat, 2 do stored[flat[i]] = flat[i + 1] end

-- Where somebody else has spoilt one of the two, nothing is trusted any more but the version that the other tells.
local compiled = read_config(config_key)
local sound = compiled and whole_number(stored.version)
local version = whole_number(stored.version) or (compiled and compiled.version) or 0
local algorithm = stored['control.algorithm']
local ruled = algorithm == 'elastic' and stored['control.mode'] == 'enforce'
local writes, deletes = {}, {}
local changed, created = false, false

local function write(field, value)
  writes[#writes + 1] = field
  writes[#writes + 1] = value
  stored[field] = value
end

local function make_effective(option, value)
  if stored[option] == value then return end
  write(option, value)
  changed = true
end

local function each_stated(visit)
  for i = 0, stated - 1 do visit(ARGV[FIRST_PAIR + 2 * i], ARGV[FIRST_PAIR + 2 * i + 1]) end
end

local function create()
  for i = FIRST_PAIR + 2 * stated, #ARGV - 1, 2 do write(ARGV[i], ARGV[i + 1]) end
  each_stated(function(option, value) write('declared:' .. option, value) end)
  write('layout', LAYOUT)
  changed = true
end

-- Names exactly the options that `stored` would put in force; and these, for who has not seen them yet.
local OWN_FIELDS = { version = true, layout = true, compiled = true }
local function sealed()
  local options = {}
  local reply = { 'unchecked' }
  for field in pairs(stored) do
    if not OWN_FIELDS[field] and not string.find(field, ':', 1, true) then options[#options + 1] = field end
  end
  table.sort(options)
  for _, option in ipairs(options) do
    reply[#reply + 1] = option
    reply[#reply + 1] = stored[option]
  end
  local found = redis.sha1hex(table.concat(reply, '\0'))
  table.insert(reply, 2, found)
  return found, reply
end

local function mismatches()
  local found = {}
  each_stated(function(option, value)
    local declared = stored['declared:' .. option]
    if declared and declared ~= value then
      found[#found + 1] = option
      found[#found + 1] = declared
      found[#found + 1] = value
    end
  end)
  return found
end

local function declare()
  each_stated(function(option, value)
    local declared = stored['declared:' .. option]
    if declared == value or (declared and on_mismatch == 'adopt') then return end
    write('declared:' .. option, value)
    if declared then
      deletes[#deletes + 1] = 'runtime:' .. option
      make_effective(option, value)
    elseif not stored['runtime:' .. option] then
      make_effective(option, value)
    end
  end)
end

local function patch()
  each_stated(function(option, value)
    write('runtime:' .. option, '1')
    make_effective(option, value)
  end)
end

local refusal = refuse_layout(stored.layout)
if refusal then return refusal end
for i = FIRST_PAIR + 1, #ARGV, 2 do
  if string.find(string.lower(ARGV[i]), '^[+-]?nan$') or string.find(string.lower(ARGV[i]), '^[+-]?inf') then
    return redis.error_reply('BP_BAD_CONFIG ' .. ARGV[i - 1] .. ' must be a finite number')
  end
end
local keys = buffer_keys()
expect_own_keys(keys)
redis.call('HLEN', keys.state)
redis.call('XLEN', keys.events)
for _, lane in ipairs(keys.lanes) do redis.call('LLEN', lane) end
if action == 'declare' then
  if sound then
    local found = on_mismatch == 'error' and mismatches() or {}
    if #found > 0 then return { 'mismatch', unpack(found) } end
    declare()
  else
    create()
    created = true
  end
elseif action == 'patch' then
  if version == 0 then return NOT_DECLARED end
  patch()
else
  return redis.error_reply('BP_BAD_CONFIG unknown action')
end
if changed and not created then
  local found, reply = sealed()
  if found ~= seal then return reply end
end
if changed then
  version = version + 1
  write('version', tostring(version))
  write('compiled', compile_config(stored))
end
if #writes > 0 then redis.call('HSET', config_key, unpack(writes)) end
if #deletes > 0 then redis.call('HDEL', config_key, unpack(deletes)) end
if changed then
  local b = open_buffer()
  touch(b)
  give_room(b)
  if version == 1 then
    b.stateSinceMs = b.now
    write_law(b, elastic.initial(elastic_limits(b.config)))
  end
  if algorithm and algorithm ~= b.config.algorithm then
    b.epochStartMs, b.epochSamples = 0, 0
    forget_epoch(b, 0)
    redis.call('UNLINK', b.keys.epoch)
  end
  if version > 1 then follow_limits(b, ruled) end
  if not b.config.breaker_enabled then close_breaker(b) end
  if b.config.algorithm ~= 'interval' and not law_rules(b) then b.intervalMs = 0 end
  b.intervalMs = math.min(b.config.max_interval_ms, math.max(b.config.min_interval_ms, b.intervalMs))
  end_drain_if_over(b)
  follow_fill(b)
  publish(b, 'config ' .. version)
  save_buffer(b)
end
return { 'ok', version }
