-- wrk: POST every file given after "--" in turn; print one line that bench/load.py reads.
local requests, at = {}, 0

function init(args)
  local headers = {["Content-Type"] = "application/json"}
  for name, value in pairs(wrk.headers) do
    headers[name] = value
  end
  for i = 1, #args do
    local file = assert(io.open(args[i], "rb"))
    requests[i] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
