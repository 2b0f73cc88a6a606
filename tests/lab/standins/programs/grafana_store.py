"""Grafana's database: the admin and the annotations, in SQLite, so that they outlive a restart."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import threading
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists user (
    id integer primary key, login text not null unique, salt text not null, password text not null
);
create table if not exists annotation (
    id integer primary key, begun integer not null, ended integer not null, text text not null,
    tags text not null, dashboard text not null, panel integer not null
);
"""
ADMIN_ID = 1


class Store:
    """The database file; made on first use."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(file, check_same_thread=False, timeout=10)
        self._database.executescript(_SCHEMA)

    def create_admin(self, login: str, password: str) -> bool:
        """Make the admin unless there is one; as with the real one, later settings are no use."""
        if self._rows("select id from user where id = ?", ADMIN_ID):
            return False
        salt, hashed = _hashed(password)
        self._change("insert into user values (?, ?, ?, ?)", ADMIN_ID, login, salt, hashed)
        return True

    def set_password(self, user: int, password: str) -> bool:
        """Change a user's password; whether there is such a user."""
        salt, hashed = _hashed(password)
        change = "update user set salt = ?, password = ? where id = ?"
        return self._change(change, salt, hashed, user) == 1

    def user(self, login: str, password: str) -> int | None:
        """The number of the user whose password this is."""
        for user, salt, hashed in self._rows(
            "select id, salt, password from user where login = ?", login
        ):
            if secrets.compare_digest(_hashed(password, salt)[1], hashed):
                return int(user)
        return None

    def annotate(self, annotation: dict[str, Any], now_ms: int) -> int:
        """Keep an annotation; its number."""
        begun = int(annotation.get("time") or now_ms)
        values = (
            *(begun, int(annotation.get("timeEnd") or begun), str(annotation["text"])),
            *(json.dumps(annotation.get("tags") or []), annotation.get("dashboardUID") or ""),
            int(annotation.get("panelId") or 0),
        )
        insert = (
            "insert into annotation (begun, ended, text, tags, dashboard, panel)"
            " values (?, ?, ?, ?, ?, ?)"
        )
        with self._lock, self._database:
            return int(self._database.execute(insert, values).lastrowid or 0)

    def annotations(self) -> list[dict[str, Any]]:
        """All of them, newest first."""
        columns = "id, begun, ended, text, tags, dashboard, panel"
        return [
            {
                "id": row[0],
                "time": row[1],
                "timeEnd": row[2],
                "text": row[3],
                "tags": json.loads(row[4]),
                "dashboardUID": row[5],
                "panelId": row[6],
            }
            for row in self._rows(f"select {columns} from annotation order by begun desc")
        ]

    def forget(self, annotation: int) -> bool:
        """Delete an annotation; whether it was there."""
        return self._change("delete from annotation where id = ?", annotation) == 1

    def _rows(self, question: str, *values: object) -> list[Any]:
        with self._lock:
            return self._database.execute(question, values).fetchall()

    def _change(self, change: str, *values: object) -> int:
        with self._lock, self._database:
            return self._database.execute(change, values).rowcount


def _hashed(password: str, salt: str = "") -> tuple[str, str]:
    salt = salt or secrets.token_hex(5)
    return salt, hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 10_000).hex()
