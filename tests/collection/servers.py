"""Real servers on loopback, made for a test or a benchmark and gone after it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class NotHereError(Exception):
    """The server is not installed, or cannot be started here."""


def program(name: str) -> str | None:
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return (
        next((str(home / name) for home in homes if (home / name).exists()), None)
        or shutil.which(name)
        or next((str(path) for path in (Path("/usr/sbin") / name,) if path.exists()), None)
    )


def _someone(wanted: str) -> str | None:
    """PostgreSQL refuses to run as root; the first of these that this machine has will do."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    found = next((name for name in (wanted, "nobody") if name in known), None)
    if found is None:
        raise NotHereError("the server does not run as root, and there is no other user")
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int, seconds: float = 30.0) -> None:
    """Until something listens on a port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise NotHereError(f"nothing listens on port {port}")


@contextlib.contextmanager
def folder_of(user: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="srv-"))
    if user:
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    initdb, server = program("initdb"), program("postgres")
    if not initdb or not server:
        raise NotHereError("PostgreSQL is not installed: no `initdb` or `postgres`")
    user = _someone("postgres")
    with folder_of(user) as folder:
        extra: dict[str, Any] = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        made = subprocess.run(
            [initdb, "-D", folder / "data", "-A", "trust", "-U", "tester", "--no-sync", "--locale=C", "-E", "UTF8"],
            check=False, **extra,
        )  # fmt: skip
        if made.returncode:
            raise NotHereError(f"PostgreSQL cannot be started here: {made.stderr.decode()[-300:]}")
        port = free_port()
        extra["stderr"] = subprocess.DEVNULL
        running = subprocess.Popen(
            [server, "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"], **extra
        )
        try:
            wait_for(port)
            yield f"postgresql://tester:open-sesame@127.0.0.1:{port}/postgres"
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(timeout=20)


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """The address of an empty MariaDB database, of a user with a password."""
    server, install = program("mariadbd"), program("mariadb-install-db")
    if not server or not install:
        raise NotHereError("MariaDB is not installed: no `mariadbd` or `mariadb-install-db`")
    import pymysql

    user = _someone("mysql")
    with folder_of(user) as folder:
        extra: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        as_user = [f"--user={user}"] if user else []
        made = subprocess.run(
            [install, "--no-defaults", f"--datadir={folder / 'data'}", "--auth-root-authentication-method=normal",
             "--skip-test-db", *as_user], check=False, **extra,
        )  # fmt: skip
        if made.returncode:
            raise NotHereError(f"MariaDB cannot be started here: {made.stderr.decode()[-300:]}")
        port = free_port()
        extra["stderr"] = subprocess.DEVNULL
        running = subprocess.Popen(
            [server, "--no-defaults", f"--datadir={folder / 'data'}", f"--port={port}", "--bind-address=127.0.0.1",
             f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}", *as_user], **extra,
        )  # fmt: skip
        try:
            wait_for(port)
            with pymysql.connect(host="127.0.0.1", port=port, user="root") as root, root.cursor() as cursor:
                cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
                cursor.execute("CREATE USER tester@'127.0.0.1' IDENTIFIED BY 'open-sesame'")
                cursor.execute("GRANT ALL ON shop.* TO tester@'127.0.0.1'")
            yield f"mysql://tester:open-sesame@127.0.0.1:{port}/shop"
        finally:
            running.terminate()
            running.wait(timeout=20)


@contextlib.contextmanager
def mosquitto(folder: Path, port: int, *, settings: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A broker that keeps its sessions in `folder`; it may be started there again."""
    server = program("mosquitto")
    if not server:
        raise NotHereError("mosquitto is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
        f"autosave_interval 1\nmax_queued_messages 0\n{'user root' if os.geteuid() == 0 else ''}\n{settings}\n"
    )
    running = subprocess.Popen([server, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield running
    finally:
        running.terminate()
        running.wait(timeout=20)
