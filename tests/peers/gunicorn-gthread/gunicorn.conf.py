bind = "127.0.0.1:@port@"
worker_class = "gthread"
workers = 2
threads = @threads@
keepalive = 5
backlog = 4096
worker_tmp_dir = "/dev/shm"
