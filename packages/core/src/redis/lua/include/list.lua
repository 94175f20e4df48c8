-- Appends to a list in pieces: `unpack` fails near 8,000 values.
local function push_all(key, values)
  for first = 1, #values, 1000 do
    redis.call('RPUSH', key, unpack(values, first, math.min(first + 999, #values)))
  end
end
