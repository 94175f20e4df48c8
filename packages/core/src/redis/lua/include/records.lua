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
  return tonumber(string.sub(record, 1, 13)) or 0 -- somebody else's record is as old as can be
end

-- By its length and its lane, as far as the scripts rely on it.
local function is_record(text)
  return text ~= nil and #text >= HEADER_CHARS and LANE_INDEX[string.sub(text, HEADER_CHARS, HEADER_CHARS)] ~= nil
end

local function payload_bytes(record)
  return math.max(0, #record - HEADER_CHARS)
end
