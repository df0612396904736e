"""usage: server.py forking|threading PORT"""

import http.server
import socketserver
import sys
import time

BODY = b"x" * 128


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Head and body in one write.

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(0.02)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


class Server(http.server.HTTPServer):
    request_queue_size = 4096


class Forking(socketserver.ForkingMixIn, Server):
    max_children = 128


class Threading(socketserver.ThreadingMixIn, Server):
    daemon_threads = True


if __name__ == "__main__":
    kind, port = sys.argv[1:]
    {"forking": Forking, "threading": Threading}[kind](("127.0.0.1", int(port)), Handler).serve_forever()
