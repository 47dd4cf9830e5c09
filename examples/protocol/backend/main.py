"""The service: meetings, and since 1.1.0 their tags."""

import json
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1.1.1"
SETTINGS = dict(line.strip().split("=", 1) for line in open(".env") if "=" in line)


def rows(query, *values):
    with sqlite3.connect("cshine.db") as database:
        return database.execute(query, values).fetchall()


def tags(_):
    return [name for (name,) in rows("SELECT name FROM tag ORDER BY id LIMIT ?", int(SETTINGS["TAG_LIMIT"]))]


def login(user):
    # 1.1.0 did not find users whose names had a capital letter.
    return {"known": rows("SELECT count(*) FROM user WHERE name = ?", user.lower())[0][0] == 1}


ROUTES = {
    "/health": lambda _: {"version": VERSION, "meetings": rows("SELECT count(*) FROM meeting")[0][0]},
    "/api/v1/tags": tags,
    "/api/v1/login": login,
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, user = self.path.partition("?user=")
        route = ROUTES.get(path)
        body = json.dumps(route(user) if route else {"error": "not found"}).encode()
        self.send_response(200 if route else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
