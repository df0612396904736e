function handle(request)
    request:sleep(0.02)
    request.content_type = "text/plain"
    request:write(string.rep("x", 128))
    return apache2.OK
end
