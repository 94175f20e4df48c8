-- An item is one string: 13 digits enqueuedAtMs, 8 digits weight, 27 characters id, 1 lane, then the payload.
-- Mirrors domain/item-record.ts.
local STAMP_CHARS = 21
local HEADER_CHARS = 49
local LANE_INDEX = { h = 1, n = 2, l = 3 }
local LANE_NAME = { 'high', 'normal', 'low' }

local function stamp(now, weight)
  return string.format('%013d%08d', now, weight)
end

local function enqueued_at(record)
  return tonumber(string.sub(record, 1, 13))
end

local function payload_bytes(record)
  return #record - HEADER_CHARS
end
