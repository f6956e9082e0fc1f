"""The routes of the Hub of `tests.support.hub`, as `huggingface_hub` 1 and 2 call them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from tests.support.hub import LARGE, OWNER, USERS, Hub, HubHandler, HubServer, Refusal, Repo


@contextlib.contextmanager
def running_hub(tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    """Runs an empty Hub, by https with a context."""
    hub = Hub()
    servers = []
    for kind in (_HubHandler, _ContentHandler):
        server = HubServer(("127.0.0.1", 0), type("Handler", (kind,), {"hub": hub}))
        if tls:
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    hub.url, hub.content_url = (
        f"{'https' if tls else 'http'}://127.0.0.1:{s.server_port}" for s in servers
    )
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _ContentHandler(HubHandler):
    """Large files by SHA-256: signed URLs of another host."""

    def handle_path(self, path: str, body: bytes) -> tuple[bytes, dict[str, Any]]:
        if self.headers.get("Authorization"):
            self.hub.leaked.append(path)
            raise Refusal(400, "", "a token was sent to the content network")
        sha256 = path.rpartition("/")[2]
        if self.command == "PUT":
            if hashlib.sha256(body).hexdigest() != sha256:
                raise Refusal(400, "", "the content has another checksum")
            self.hub.blobs[sha256] = body
            self.hub.sent[sha256] += 1
            return b"", {}
        return self.part(self.hub.blobs[sha256])


class _HubHandler(HubHandler):
    """The Hub's API; `_ROUTES` has a method for each path."""

    @property
    def token(self) -> str | None:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def user(self) -> str | None:
        if self.token is not None and self.token not in USERS:
            raise Refusal(401, "", "Invalid credentials in Authorization header")
        return USERS.get(self.token or "")

    def handle_path(self, path: str, body: bytes) -> tuple[bytes, dict[str, Any]]:
        for method, pattern, name in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command.replace("HEAD", "GET"):
                found = getattr(self, name)(body=body, **match.groupdict())
                if isinstance(found, tuple):
                    return found
                return json.dumps(found).encode(), {"Content-Type": "application/json"}
        raise Refusal(404, "", f"no such route: {self.command} {path}")

    def repo(self, name: str, *, write: bool = False, content: bool = False) -> Repo:
        user, repo = self.user(), self.hub.repos.get(name)
        owner = name.partition("/")[0]
        if repo is None or (repo.private and user != owner):
            raise Refusal(404 if user else 401, "RepoNotFound", "Repository not found")
        if write and (user != owner or self.token != OWNER):
            raise Refusal(403, "", "Forbidden: pass a write token of the owner")
        if content and repo.gated and user != owner and user not in repo.accepted:
            raise Refusal(403 if user else 401, "GatedRepo", f"Access to {name} is restricted")
        return repo

    def files(self, repo: Repo, revision: str) -> tuple[str, dict[str, str]]:
        commit = repo.head if revision in ("main", "HEAD", "refs/heads/main") else revision
        if commit not in repo.commits:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, repo.commits[commit]

    def entry(self, path: str, sha256: str) -> dict[str, Any]:
        data = self.hub.blobs[sha256]
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - git's
        found: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": oid}
        if path.endswith(LARGE):
            found["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 130}
        return found

    def whoami(self, body: bytes) -> Any:
        user = self.user()
        if user is None:
            raise Refusal(401, "", "Invalid username or password.")
        return {"name": user, "type": "user", "orgs": []}

    def create(self, body: bytes) -> Any:
        asked = json.loads(body)
        user = self.user()
        owner = asked.get("organization") or user
        if user is None or user != owner or self.token != OWNER:
            raise Refusal(403 if user else 401, "", "You don't have the rights to create a dataset")
        name = f"{owner}/{asked['name']}"
        if name in self.hub.repos:
            raise Refusal(409, "", "You already created this dataset repo")
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.add(name, {}, private=bool(private))
        return {"url": f"{self.hub.url}/datasets/{name}"}

    def info(self, body: bytes, name: str, revision: str = "main") -> Any:
        repo = self.repo(name)
        sha, files = self.files(repo, revision)
        return {"id": name, "sha": sha, "private": repo.private, "gated": repo.gated, "tags": [],
                "siblings": [{"rfilename": path} for path in sorted(files)]}  # fmt: skip

    def model(self, body: bytes, name: str) -> Any:
        if name not in self.hub.models:
            raise Refusal(404 if self.user() else 401, "RepoNotFound", "Repository not found")
        return {"id": name, "modelId": name, "sha": "0" * 40, "siblings": [], "tags": []}

    def list_tree(self, body: bytes, name: str, revision: str, folder: str = "") -> Any:
        _, files = self.files(self.repo(name, content=True), revision)
        base = f"{folder}/" if folder else ""
        below = {p: sha for p, sha in sorted(files.items()) if p.startswith(base)}
        if self.query.get("recursive", ["false"])[0].lower() == "true":
            entries = [self.entry(path, sha) for path, sha in below.items()]
        else:
            names = {p.removeprefix(base).partition("/")[0]: p for p in below}
            folders = [base + n for n, p in names.items() if base + n != p]
            entries = [{"type": "directory", "path": f, "oid": "0" * 40, "size": 0}
                       for f in folders]  # fmt: skip
            entries += [self.entry(p, below[p]) for n, p in names.items() if base + n == p]
        return self.page(entries)

    def page(self, entries: list[dict[str, Any]], most: int = 50) -> Any:
        first = int(self.query.get("cursor", ["0"])[0])
        headers = {"Content-Type": "application/json"}
        if len(entries) > first + most:
            rest = {**{name: values[0] for name, values in self.query.items()},
                    "cursor": str(first + most)}  # fmt: skip
            query = "&".join(f"{name}={value}" for name, value in rest.items())
            headers["Link"] = f'<{self.hub.url}{self.path}?{query}>; rel="next"'
        return json.dumps(entries[first : first + most]).encode(), headers

    def paths_info(self, body: bytes, name: str, revision: str) -> Any:
        _, files = self.files(self.repo(name, content=True), revision)
        asked = (
            json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
        )
        found = [self.entry(p, files[p]) for p in asked if p in files]
        folders = {p for p in asked if p not in files and any(f.startswith(f"{p}/") for f in files)}
        return found + [{"type": "directory", "path": p, "oid": "0" * 40, "size": 0}
                        for p in sorted(folders)]  # fmt: skip

    def preupload(self, body: bytes, name: str, revision: str) -> Any:
        _, files = self.files(self.repo(name, write=True), revision)
        modes = []
        for file in json.loads(body)["files"]:
            path = file["path"]
            entry = self.entry(path, files[path]) if path in files else {}
            mode = "lfs" if path.endswith(LARGE) else "regular"
            oid = entry.get("lfs", entry).get("oid")
            modes.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": modes}

    def batch(self, body: bytes, name: str) -> Any:
        self.repo(name, write=True)
        objects = []
        for asked in json.loads(body)["objects"]:
            upload = {"href": f"{self.hub.content_url}/objects/{asked['oid']}"}
            there = asked["oid"] in self.hub.blobs
            objects.append({**asked, **({} if there else {"actions": {"upload": upload}})})
        return {"transfer": "basic", "objects": objects}

    def commit(self, body: bytes, name: str, revision: str) -> Any:
        repo = self.repo(name, write=True)
        _, files = self.files(repo, revision)
        after = dict(files)
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header" and value.get("parentCommit", repo.head) != repo.head:
                raise Refusal(412, "", "A commit has happened since. Please refresh and try again.")
            if item["key"] == "file":
                after[value["path"]] = self.hub.store(base64.b64decode(value["content"]))
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.hub.blobs:
                    raise Refusal(400, "", f"{value['path']} was not uploaded")
                after[value["path"]] = value["oid"]
        sha = repo.commit(after)
        return {"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{sha}", "commitOid": sha}

    def validate(self, body: bytes) -> Any:
        content = json.loads(body)["content"]
        if re.search(r"^license: no-such-licence$", content, re.MULTILINE):
            fault = {"message": '"license" must be one of [apache-2.0, mit, other]'}
            answer = json.dumps({"errors": [fault], "warnings": []}).encode()
            return answer, {"status": "400", "Content-Type": "application/json"}
        return {"errors": [], "warnings": []}

    def settings(self, body: bytes, name: str) -> Any:
        repo, asked = self.repo(name, write=True), json.loads(body)
        repo.gated = asked.get("gated", repo.gated)
        return {"gated": repo.gated}

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> Any:
        commit, files = self.files(self.repo(name, content=True), revision)
        if file not in files:
            raise Refusal(404, "EntryNotFound", "Entry not found")
        sha256 = files[file]
        about = {"X-Repo-Commit": commit, "ETag": f'"{sha256}"'}
        if not file.endswith(LARGE):
            return self.part(self.hub.blobs[sha256], **about)
        size = str(len(self.hub.blobs[sha256]))
        about |= {"X-Linked-Size": size, "X-Linked-Etag": f'"{sha256}"', "status": "302"}
        return b"", {**about, "Location": f"{self.hub.content_url}/objects/{sha256}?signed=1"}


_NAME, _REV = r"(?P<name>[^/]+/[^/]+)", r"(?P<revision>.+?)"
_ROUTES = [
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("PUT", rf"/api/datasets/{_NAME}/settings", "settings"),
    ("GET", rf"/api/datasets/{_NAME}", "info"),
    ("GET", rf"/api/datasets/{_NAME}/revision/{_REV}", "info"),
    ("GET", rf"/api/datasets/{_NAME}/tree/(?P<revision>[^/]+)(/(?P<folder>.+))?", "list_tree"),
    ("POST", rf"/api/datasets/{_NAME}/paths-info/{_REV}", "paths_info"),
    ("POST", rf"/api/datasets/{_NAME}/preupload/{_REV}", "preupload"),
    ("POST", rf"/api/datasets/{_NAME}/commit/{_REV}", "commit"),
    ("POST", rf"/datasets/{_NAME}\.git/info/lfs/objects/batch", "batch"),
    ("GET", rf"/datasets/{_NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", "resolve"),
    ("GET", rf"/api/models/{_NAME}", "model"),
]
