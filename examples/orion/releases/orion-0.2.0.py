"""The service before it had activities: what it keeps is a guest book in a file."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "0.2.0"
BOOK = "guests.txt"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"version": VERSION, "guests": len(open(BOOK).readlines())})

    def do_POST(self):
        with open(BOOK, "a") as book:
            book.write("guest\n")
        self.answer(201, {"version": VERSION})

    def answer(self, status, what):
        body = json.dumps(what, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
