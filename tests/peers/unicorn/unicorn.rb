worker_processes @workers@
preload_app true
listen "127.0.0.1:@port@", backlog: 4096
working_directory "@home@"
