"""Hubs on the loopback address, ended by the tests: a small one of our own, and olah, which serves git repositories.

Both are processes to the client: `url` is what HF_ENDPOINT names. A wire may stand before a hub, and be cut.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PUBLIC, PRIVATE, GATED = "public", "private", "gated"


class Answer(BaseHTTPRequestHandler):
    """The few questions that the hub's client asks of a model, answered as huggingface.co answers them."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def log_message(self, *words):
        """Say nothing."""

    def answer(self, *, body):
        path = self.path.partition("?")[0]
        status = self.server.statuses.get(path.rpartition("/")[2], self.server.status)
        if status:
            return self.send(status, b"", {}, body)
        if (
            found := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/(revision|tree|refs|commits)(?:/([^?]+))?)?", path)
        ) is not None:
            return self.tell(*found.groups(), body)
        found = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path)
        return self.file(*found.groups(), body) if found else self.refuse(404, "RepoNotFound", body)

    def tell(self, identity, question, revision, body):
        repository = self.server.repositories.get(identity)
        if repository is None or repository["access"] == PRIVATE:
            return self.refuse(401, "RepoNotFound", body)
        if question == "refs":
            named = lambda kind: [{"name": n, "ref": n, "targetCommit": c} for n, c in sorted(repository[kind].items())]  # noqa: E731
            return self.say({"branches": named("branches"), "tags": named("tags"), "converts": []}, body)
        commit = self.server.commit_of(identity, revision or "main")
        if commit is None:
            return self.refuse(404, "RevisionNotFound", body)
        files = repository["commits"][commit]
        if question == "commits":
            told = {"title": "", "message": "", "authors": [{"user": "a"}], "date": "2024-01-01T00:00:00.000Z"}
            return self.say([{"id": c, **told} for c in reversed(repository["commits"])], body)
        if question == "tree":
            return self.say(
                [{"type": "file", "path": n, "size": len(f), "oid": etag(f)} for n, f in files.items()], body
            )
        return self.say({"id": identity, "sha": commit, "siblings": [{"rfilename": n} for n in files]}, body)

    def file(self, identity, revision, name, body):
        repository = self.server.repositories.get(identity)
        if repository is None or repository["access"] == PRIVATE:
            return self.refuse(401, "RepoNotFound", body)
        if repository["access"] == GATED:
            return self.refuse(401, "GatedRepo", body)
        commit = self.server.commit_of(identity, revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", body)
        content = repository["commits"][commit].get(name)
        if content is None:
            return self.refuse(404, "EntryNotFound", body)
        headers, whole = {"ETag": f'"{etag(content)}"', "X-Repo-Commit": commit}, len(content)
        if (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) is None:
            return self.send(200, content, headers, body)
        start = int(asked[1])
        return self.send(206, content[start:], {**headers, "Content-Range": f"bytes {start}-{whole - 1}/{whole}"}, body)

    def say(self, record, body):
        self.send(200, json.dumps(record).encode(), {"Content-Type": "application/json"}, body)

    def refuse(self, status, code, body):
        self.send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code}, body)

    def send(self, status, content, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def etag(content):
    """Return git's name of a file's content, as the hub gives it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hangs up is no error of the hub's."""

    def commit_of(self, identity, revision):
        repository = self.repositories[identity]
        names = {**repository["tags"], **repository["branches"], **{c: c for c in repository["commits"]}}
        return names.get(revision.replace("%2F", "/"))


class Small:
    """A hub of our own: repositories are dicts of files."""

    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Answer)
        self.server.repositories, self.server.status, self.server.statuses = {}, 0, {}
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def commit(self, identity, files, *, branch="main", access=PUBLIC):
        """Add a commit of files (a folder) to a branch; return its 40 digits."""
        kept = {"commits": {}, "branches": {}, "tags": {}, "access": access}
        repository = self.server.repositories.setdefault(identity, kept)
        held = {
            path.relative_to(files).as_posix(): path.read_bytes() for path in Path(files).rglob("*") if path.is_file()
        }
        told = json.dumps([len(repository["commits"]), sorted((n, etag(f)) for n, f in held.items())])
        commit = hashlib.sha1(told.encode()).hexdigest()
        repository["commits"][commit] = held
        repository["branches"][branch] = commit
        return commit

    def tag(self, identity, name):
        """Give the newest commit of main a tag."""
        repository = self.server.repositories[identity]
        repository["tags"][name] = repository["branches"]["main"]

    def stop(self):
        """Hang up for good."""
        self.server.shutdown()
        self.server.server_close()


class Olah:
    """olah in a process of its own: repositories are git's."""

    def __init__(self, folder):
        self.mirrors, self.folder = folder / "mirrors", folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        (folder / "olah.toml").write_text(
            f'[basic]\nhost = "127.0.0.1"\nport = {port}\nmirrors-path = ["{self.mirrors}"]\nrepos-path = "{folder / "repos"}"\n'
            "[accessibility]\noffline = true\n"
        )
        words = [program(), "-c", str(folder / "olah.toml"), "--log-path", str(folder / "logs")]
        with (folder / "olah.log").open("w") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)
        self.wait()

    def wait(self):
        """Wait until it answers, whatever it answers."""
        for _ in range(300):
            assert self.process.poll() is None, (self.folder / "olah.log").read_text()
            try:
                urllib.request.urlopen(self.url, timeout=5)
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError("olah does not answer")

    def git(self, identity, *words):
        """Run git in a repository; return what it says."""
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
        folder = self.mirrors / "models" / identity
        return subprocess.run(
            ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, identity, files, *, branch="main"):
        """Add a commit of files (a folder) to a branch; return its 40 digits."""
        folder = self.mirrors / "models" / identity
        if not folder.is_dir():
            folder.mkdir(parents=True)
            self.git(identity, "init", "-q")
        self.git(identity, "checkout", "-q", "-B", branch)
        shutil.copytree(files, folder, dirs_exist_ok=True)
        self.git(identity, "add", "-A")
        self.git(identity, "commit", "-q", "--allow-empty", "-m", "files")
        commit = self.git(identity, "rev-parse", "HEAD")
        if branch != "main":
            self.git(identity, "checkout", "-q", "main")
        return commit

    def tag(self, identity, name):
        """Give the newest commit of main a tag."""
        self.git(identity, "tag", name, "main")

    def stop(self):
        """End the process."""
        self.process.terminate()
        self.process.wait(20)


def program():
    """Return where olah is, or None: in an environment of its own, since it wants older packages than we pin."""
    given = os.environ.get("DISCBENCH_OLAH") or Path(sys.prefix) / "hub" / "bin" / "olah-cli"
    return str(given) if Path(given).is_file() else None


class Wire:
    """A wire to a hub that is cut once a number of bytes came through; then nobody answers."""

    def __init__(self, url, most):
        self.far, self.left = int(url.rpartition(":")[2]), most
        self.near = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.near.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Pair every caller with a call to the hub, until the wire is cut."""
        while True:
            try:
                caller, _ = self.near.accept()
            except OSError:
                return
            hub = socket.create_connection(("127.0.0.1", self.far))
            threading.Thread(target=self.carry, args=(caller, hub, False), daemon=True).start()
            threading.Thread(target=self.carry, args=(hub, caller, True), daemon=True).start()

    def carry(self, source, target, counted):
        """Pass bytes on; those from the hub are counted."""
        with contextlib.suppress(OSError):
            while (some := source.recv(16384)) and self.left > 0:
                self.left -= len(some) * counted
                target.sendall(some)
        if self.left <= 0:
            self.stop()
        for end in (source, target):
            hang_up(end)

    def stop(self):
        """Cut it."""
        hang_up(self.near)


def hang_up(end):
    """Close a socket at which another thread may wait."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
