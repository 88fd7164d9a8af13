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
from collections.abc import Callable, Iterator
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


def wait_for(answers: Callable[[], object], *passing: type[Exception], seconds: float = 60.0) -> None:
    """Until a server answers: one that listens may still be starting, and refuse what it is asked with `passing`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answers()
        except passing as problem:
            if time.monotonic() > deadline:
                raise NotHereError(f"the server does not answer: {problem}") from problem
            time.sleep(0.05)
        else:
            return


def _answers_sql(connection: Any) -> None:
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()


@contextlib.contextmanager
def _folder_of(user: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="srv-"))
    if user:
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepared(what: str, command: list[Any], **how: Any) -> None:
    made = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **how)
    if made.returncode:
        raise NotHereError(f"{what} cannot be started here: {made.stderr.decode()[-300:]}")


@contextlib.contextmanager
def running(command: list[Any], stop: signal.Signals = signal.SIGTERM, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own; it may be killed meanwhile."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    try:
        yield process
    finally:
        process.send_signal(stop)
        process.wait(timeout=30)


@contextlib.contextmanager
def postgres_folder() -> Iterator[Path]:
    """A folder of an empty PostgreSQL cluster."""
    initdb = program("initdb")
    if not initdb:
        raise NotHereError("PostgreSQL is not installed: no `initdb`")
    user = _someone("postgres")
    with _folder_of(user) as folder:
        made = [initdb, "-D", folder / "data", "-A", "trust", "-U", "tester", "--no-sync", "--locale=C", "-E", "UTF8"]
        _prepared("PostgreSQL", made, user=user, cwd=folder)
        yield folder


@contextlib.contextmanager
def postgres_in(folder: Path, port: int) -> Iterator[str]:
    """The address of a database that lies in a folder: its server may be started there again."""
    import adbc_driver_postgresql.dbapi as dbapi

    address = f"postgresql://tester:open-sesame@127.0.0.1:{port}/postgres"
    command = [program("postgres"), "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
    with running(command, signal.SIGINT, user=_someone("postgres"), cwd=folder):
        wait_for(lambda: _answers_sql(dbapi.connect(address)), dbapi.Error)
        yield address


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    with postgres_folder() as folder, postgres_in(folder, free_port()) as address:
        yield address


@contextlib.contextmanager
def mariadb_folder() -> Iterator[Path]:
    """A folder of an empty MariaDB."""
    install = program("mariadb-install-db")
    if not install or not program("mariadbd"):
        raise NotHereError("MariaDB is not installed: no `mariadbd` or `mariadb-install-db`")
    user = _someone("mysql")
    with _folder_of(user) as folder:
        made = [install, "--no-defaults", f"--datadir={folder / 'data'}", "--auth-root-authentication-method=normal",
                "--skip-test-db", *([f"--user={user}"] if user else [])]  # fmt: skip
        _prepared("MariaDB", made, cwd=folder)
        yield folder


@contextlib.contextmanager
def mariadb_in(folder: Path, port: int) -> Iterator[str]:
    """The address of a database that lies in a folder, of a user with a password; it may be started there again."""
    import pymysql

    user = _someone("mysql")
    command = [program("mariadbd"), "--no-defaults", f"--datadir={folder / 'data'}", f"--port={port}",
               "--bind-address=127.0.0.1", f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}",
               *([f"--user={user}"] if user else [])]  # fmt: skip

    def as_root() -> Any:
        return pymysql.connect(host="127.0.0.1", port=port, user="root", connect_timeout=60)

    with running(command, cwd=folder):
        wait_for(lambda: _answers_sql(as_root()), pymysql.Error, OSError)
        with as_root() as root, root.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4")
            cursor.execute("CREATE USER IF NOT EXISTS tester@'127.0.0.1' IDENTIFIED BY 'open-sesame'")
            cursor.execute("GRANT ALL ON shop.* TO tester@'127.0.0.1'")
        yield f"mysql://tester:open-sesame@127.0.0.1:{port}/shop"


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """The address of an empty MariaDB database, of a user with a password."""
    with mariadb_folder() as folder, mariadb_in(folder, free_port()) as address:
        yield address


_HELLO = bytes([0x10, 13, 0, 4, *b"MQTT", 4, 2, 0, 60, 0, 1, *b"w"])
"""The first packet of an MQTT 3.1.1 client named `w`; whatever the broker says to it is an answer."""


def _answers_mqtt(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.sendall(_HELLO)
        if not one.recv(4):
            raise OSError("the broker hung up")


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
    with running([server, "-c", config]) as process:
        wait_for(lambda: _answers_mqtt(port), OSError)
        yield process
