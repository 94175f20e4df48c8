-- Redis' clock in whole ms. Read once per script: the one clock that decides (I9).
local function server_time()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
