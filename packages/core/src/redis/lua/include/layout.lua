-- The version of the keys, the records and the replies. A change that old and new processes can't share raises it: whoever
-- runs on while a newer one declares the buffer anew is then refused, before anything is written.
local LAYOUT = '1'

-- Why keys of this layout are not to be touched; nil for our own, and where nothing says.
local function refuse_layout(layout)
  if not layout or layout == LAYOUT then return nil end
  return { err = 'BP_LAYOUT the keys have layout ' .. layout .. ', this client speaks ' .. LAYOUT }
end
