BODY = "x" * 128

run(lambda do |request|
  sleep 0.02 if request["PATH_INFO"] == "/slow"
  [200, { "Content-Type" => "text/plain", "Content-Length" => BODY.bytesize.to_s }, [BODY]]
end)
