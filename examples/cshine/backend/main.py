"""The service: says which version it is, and which greeting its packages bring."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import greet

VERSION = "0.2.6"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": VERSION, "greet": greet.VERSION}).encode()
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
