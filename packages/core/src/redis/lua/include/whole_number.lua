-- A number that we wrote as digits; nil for what somebody else wrote in its place.
local function whole_number(text)
  return text and #text < 16 and string.find(text, '^%d+$') and tonumber(text) or nil
end
