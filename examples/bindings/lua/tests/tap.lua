-- Runs the files test_*.lua that are named on the command line and reports in TAP. Each calls
-- test(name, function): it fails by an error, and is skipped by returning "skip: why".
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path

local tests = {}

function test(name, body)
  tests[#tests + 1] = { name = name, body = body }
end

for index = 1, #arg do
  dofile(here .. "/" .. arg[index])
end

io.stdout:setvbuf("line")
print("1.." .. #tests)
local failed = 0
for number, one in ipairs(tests) do
  local fine, result = xpcall(one.body, function(problem)
    return debug.traceback(tostring(problem))
  end)
  local why = fine and type(result) == "string" and result:match("^skip: (.*)")
  if not fine then
    failed = failed + 1
    print(("not ok %d - %s\n# %s"):format(number, one.name, (result:gsub("\n", "\n# "))))
  else
    print(("ok %d - %s%s"):format(number, one.name, why and " # SKIP " .. why or ""))
  end
end
os.exit(failed == 0 and 0 or 1, true)
