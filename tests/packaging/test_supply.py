"""What is written to deploy: read back, checked by systemd, and its very command run with the runtime alone."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from modelwright.cli import command
from modelwright.core.errors import UserError
from modelwright.packaging.supply import write_docker, write_systemd
from modelwright.testing.packages import raw_rows, tiny_package
from modelwright_runtime import load

TOKEN = "sixteen-letters-and-more"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_package(tmp_path_factory.mktemp("package"), name="Bills paid (2)").path


def instructions(text: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def test_the_dockerfile_installs_the_runtime_alone_and_runs_as_nobody(tmp_path: Path, package: Path) -> None:
    made = {path.name: path for path in write_docker(package, tmp_path)}
    lines = instructions(made["Dockerfile"].read_text())
    known = {"FROM", "ARG", "COPY", "RUN", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}
    assert {name for name, _ in lines} == known
    told = dict(lines)
    assert re.fullmatch(r'RUNTIME="modelwright-runtime==\d+\.\d+\.\d+"', told["ARG"])
    assert told["USER"] == "65534:65534" and re.fullmatch(r"python:3\.\d+-slim", told["FROM"])
    assert told["RUN"].count("pip install") == 1 and '"$RUNTIME"' in told["RUN"]
    assert "WRIGHT_TOKEN_FILE=/run/secrets/token" in told["ENV"] and TOKEN not in made["Dockerfile"].read_text()
    copied = [line.split()[-2] for name, line in lines if name == "COPY"]
    assert copied == ["wheels/", "bills-paid-2.wright"] and all((tmp_path / name).exists() for name in copied)
    ignored = made[".dockerignore"].read_text().split()
    assert ignored == ["*", "!wheels", "!bills-paid-2.wright"]
    service = yaml.safe_load(made["compose.yaml"].read_text())["services"]["bills-paid-2"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["ports"] == ["127.0.0.1:8000:8000"]
    assert made["bills-paid-2.wright"].read_bytes() == package.read_bytes()


def entry(place: Path) -> list[str]:
    told = dict(instructions((place / "Dockerfile").read_text()))
    command: list[str] = json.loads(told["ENTRYPOINT"])
    return [str(place / word.removeprefix("/srv/")) if word.startswith("/srv/") else word for word in command]


def unit(place: Path) -> list[str]:
    text = re.sub(r"\\\n\s*", " ", (place / "bills-paid-2.service").read_text())
    found = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert found
    words = shlex.split(found.group(1))
    return [str(place / Path(word).name) if word.endswith(".wright") else word for word in words]


@pytest.mark.parametrize("kind", ["docker", "systemd"])
def test_the_very_command_serves_with_the_runtime_alone(
    tmp_path: Path, package: Path, runtime_alone: Path, kind: str
) -> None:
    place = tmp_path / "deploy"
    (write_docker if kind == "docker" else write_systemd)(package, place)
    command = (entry if kind == "docker" else unit)(place)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(runtime_alone), *(str(port) if word == "8000" else word for word in command[1:])]
    (tmp_path / "token").write_text(TOKEN + "\n")
    for path in [place, *place.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)  # it needs to write nowhere
    environment = {"WRIGHT_TOKEN_FILE": str(tmp_path / "token"), "PYTHONDONTWRITEBYTECODE": "1"}
    with running(command, place, environment, port) as address:
        body = json.dumps(raw_rows(3)).encode()
        assert status_of(f"{address}/predict", body) == 401
        asked = urllib.request.Request(
            f"{address}/predict", body, {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        )
        answered = json.load(urllib.request.urlopen(asked, timeout=10))
        told = [row["prediction"] for row in answered["rows" if "rows" in answered else "predictions"]]
        assert told == load(package).predict(raw_rows(3)).prediction.tolist()
        if kind == "docker":
            check = json.loads(dict(instructions((place / "Dockerfile").read_text()))["HEALTHCHECK"].split("CMD ")[1])
            healthy = [str(runtime_alone), *(word.replace(":8000", f":{port}") for word in check[1:])]
            assert subprocess.run(healthy, timeout=10, check=False).returncode == 0
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if kind == "docker":
        assert subprocess.run(healthy, timeout=10, capture_output=True, check=False).returncode != 0


class running:  # noqa: N801  reads as a word
    """A server process for as long as a block lasts."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str], port: int) -> None:
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE)
        self.address = f"http://127.0.0.1:{port}"

    def __enter__(self) -> str:
        for _ in range(200):
            if status_of(f"{self.address}/health") == 200:
                return self.address
            assert self.process.poll() is None, "the server has ended"
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=15) == 0


def status_of(address: str, body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        return problem.code
    except OSError:
        return 0


@pytest.fixture
def verified(tmp_path: Path, package: Path) -> Iterator[Path]:
    """The unit with the interpreter and the package where they really lie, as an installation would have them."""
    write_systemd(package, tmp_path)
    text = (tmp_path / "bills-paid-2.service").read_text()
    text = text.replace("/opt/modelwright/bills-paid-2/venv/bin/python", sys.executable)
    (tmp_path / "bills-paid-2.service").write_text(text)
    yield tmp_path / "bills-paid-2.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")
def test_systemd_finds_nothing_wrong_with_the_unit(verified: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(verified)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "bills-paid-2" not in done.stderr, done.stderr
    broken = verified.with_name("broken.service")
    broken.write_text(
        verified.read_text().replace("ProtectHome=yes", "ProtectHom=yes").replace("ExecStart=/", "ExecStart=")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(broken)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "broken" in done.stderr


def test_a_token_file_that_cannot_be_read_never_means_no_token(tmp_path: Path) -> None:
    from modelwright_runtime.__main__ import token_of

    (tmp_path / "empty").write_text("\n")
    (tmp_path / "odd").write_bytes(b"\xff\xfe" * 20)
    for name in ("gone", "empty", "odd"):
        with pytest.raises(UserError) as caught:
            token_of({"WRIGHT_TOKEN_FILE": str(tmp_path / name)})
        assert caught.value.code == "serve.token"
    (tmp_path / "token").write_text(f"{TOKEN}\nmore\n")
    assert token_of({"WRIGHT_TOKEN_FILE": str(tmp_path / "token"), "WRIGHT_TOKEN": ""}) == TOKEN


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    path = tiny_package(tmp_path, name='a"; RUN rm -rf / #').path
    text = write_docker(path, tmp_path / "d")[0].read_text()
    assert "rm -rf /tmp/wheels" in text and "rm -rf / " not in text and "/srv/a-run-rm-rf.wright" in text
    odd = tiny_package(tmp_path, name="名").path
    with pytest.raises(UserError) as caught:
        write_docker(odd, tmp_path / "e")
    assert caught.value.code == "supply.name"


def test_the_command_exports(tmp_path: Path, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["export", str(package), "--target", "docker", "--target", "systemd", "--target", "mobile"]
    assert command([*arguments, "-o", str(out)]) == 0
    assert {"Dockerfile", "bills-paid-2.service", "bills_paid_2.ort"} <= {path.name for path in out.iterdir()}
    assert stat.S_IMODE((out / "bills-paid-2.wright").stat().st_mode) & 0o111 == 0
    assert command(["export", str(package), "--target", "mlflow", "-o", str(tmp_path / "m"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "mlflow"
    assert command(["import", str(tmp_path / "m"), "-o", str(tmp_path / "b.wright")]) == 0
    assert (tmp_path / "b.wright").read_bytes() == package.read_bytes()
    assert command(["export", str(package), "--target", "phone"]) == 2
