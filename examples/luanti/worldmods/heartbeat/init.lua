-- A tower that grows by one block a second: a world that changes while nobody plays.
local beat = 0

local function grow()
    local at = { x = 0, y = beat % 16, z = 0 }
    minetest.emerge_area(at, at, function(_, _, remaining)
        if remaining == 0 then
            minetest.set_node(at, { name = "default:brick" })
            beat = beat + 1
            print("heartbeat " .. beat)
        end
    end)
    minetest.after(1, grow)
end

minetest.after(0, grow)
