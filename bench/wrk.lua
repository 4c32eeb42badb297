-- What wrk found, as one JSON object on its last line. Nothing here runs while it measures.
done = function(summary, latency)
	local e = summary.errors
	io.write(string.format('{"seconds":%.6f,"requests":%d,"bytes":%d,"p50_us":%d,' ..
		'"p99_us":%d,"p999_us":%d,"errors":%d}\n', summary.duration / 1e6, summary.requests,
		summary.bytes, latency:percentile(50), latency:percentile(99),
		latency:percentile(99.9), e.connect + e.read + e.write + e.status + e.timeout))
end
