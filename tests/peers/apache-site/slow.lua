function handle(request)
    request.usleep(20 * 1000)
    request.content_type = "text/plain"
    request:write(string.rep("x", 128))
    return apache2.OK
end
