"""A client of http that speaks and listens just when the test says so."""

import re
import socket

from harness import wait_until

TIMEOUT = 60


def connect(server, receive_buffer=None):
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(TIMEOUT)
    client.connect(("127.0.0.1", server.port))
    return client


def ask(client, path, more=b""):
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode() + more + b"\r\n")


def read_answer(client):
    """One answer's body; None if the connection ends before it is complete."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        if not (piece := client.recv(65536)):
            return None
        data += piece
    size = int(re.search(rb"\r\nContent-Length: (\d+)\r\n", data)[1])
    body = bytearray(data[end + 4:])
    while len(body) < size:
        if not (piece := client.recv(65536)):
            return None
        body += piece
    return bytes(body)


def is_closed(client):
    """Whether the server has ended the connection, without waiting for it; what it has sent is thrown away."""
    try:
        while piece := client.recv(65536, socket.MSG_DONTWAIT):
            pass
        return not piece
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def wait_for_close(client, what, meanwhile=lambda: None):
    def closed():
        try:
            meanwhile()
        except ConnectionError:
            return True
        return is_closed(client)
    wait_until(closed, what)
