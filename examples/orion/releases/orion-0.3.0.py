"""The service with activities, which it keeps in PostgreSQL under a role that may read and write three tables and nothing else."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "0.3.0"
BOOK = "guests.txt"
# Host, port and name of the database; the password is in the file that PGPASSFILE names.
DATABASE = open("database.conf").read().strip()

ALL = "SELECT coalesce(json_agg(title ORDER BY created_at), '[]') FROM activities"
ONE = """INSERT INTO activities (id, title, speaker, start_time, input_language, target_languages, status, created_at, updated_at)
    VALUES (gen_random_uuid(), :'title', '主持人', now(), 'zh', '["en"]', 'draft', now(), now()) RETURNING to_json(id)"""


def ask(statement, **values):
    words = ["psql", "-qtAX", "-v", "ON_ERROR_STOP=1", DATABASE]
    for name, value in values.items():
        words += ["-v", f"{name}={value}"]
    done = subprocess.run(words, input=statement, capture_output=True, text=True, env=os.environ)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/api/activities":
            return self.tried(200, ALL)
        self.answer(200, {"version": VERSION, "guests": len(open(BOOK).readlines())})

    def do_POST(self):
        if self.path == "/api/activities":
            title = self.rfile.read(int(self.headers["Content-Length"])).decode()
            return self.tried(201, ONE, title=title)
        with open(BOOK, "a") as book:
            book.write("guest\n")
        self.answer(201, {"version": VERSION})

    def tried(self, status, statement, **values):
        try:
            self.answer(status, ask(statement, **values))
        except RuntimeError as error:
            self.answer(500, {"error": str(error)})

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
