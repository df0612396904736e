bind = "127.0.0.1:@port@"
workers = @workers@
backlog = 4096
worker_tmp_dir = "/dev/shm"
