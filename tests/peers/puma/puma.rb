workers 2
threads @threads@, @threads@
preload_app!
environment "production"
bind "tcp://127.0.0.1:@port@?backlog=4096"
directory "@home@"
