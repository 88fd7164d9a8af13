"""Files for machines that serve: written from a package alone, with nothing of training in them.

What is deployed is Python, `modelwright-runtime` and one read-only file; it runs as nobody in particular, writes
nowhere, and reads its token from a file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright_runtime.model import Model

DOCKERFILE = """\
# {name}: {task} of {target}. sha256 of the package: {digest}
#
#   docker build -t {name} .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges -p 127.0.0.1:8000:8000 \\
#     -v "$PWD/token:/run/secrets/token:ro" {name}
#
# The token has 16 or more characters:  python -c "import secrets; print(secrets.token_urlsafe())" > token
# A wheel of modelwright-runtime that lies in wheels/ is taken before the one of the package index.
FROM python:{python}-slim
ARG RUNTIME="modelwright-runtime{extra}=={version}"
COPY wheels/ /tmp/wheels/
RUN pip install --no-cache-dir --disable-pip-version-check --find-links /tmp/wheels "$RUNTIME" \\
 && rm -rf /tmp/wheels
COPY --chmod=0444 {file} /srv/{file}
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 WRIGHT_TOKEN_FILE=/run/secrets/token
USER 65534:65534
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 \\
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["python", "-m", "modelwright_runtime", "serve", "/srv/{file}", "--host", "0.0.0.0", "--port", "8000"]
"""

COMPOSE = """\
# docker compose up -d
services:
  {name}:
    build: .
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    ports: ["127.0.0.1:8000:8000"]
    secrets: [token]
    restart: unless-stopped
secrets:
  token:
    file: ./token
"""

UNIT = """\
# {name}: {task} of {target}. sha256 of the package: {digest}
#
#   python{python} -m venv /opt/modelwright/{name}/venv
#   /opt/modelwright/{name}/venv/bin/pip install "modelwright-runtime{extra}=={version}"
#   install -m 0444 {file} /opt/modelwright/{name}/{file}
#   install -d -m 0700 /etc/modelwright
#   python{python} -c "import secrets; print(secrets.token_urlsafe())" > /etc/modelwright/{name}.token
#   install -m 0644 {name}.service /etc/systemd/system/ && systemctl enable --now {name}
[Unit]
Description=Modelwright: {name}
After=network.target

[Service]
Type=exec
ExecStart=/opt/modelwright/{name}/venv/bin/python -m modelwright_runtime serve \\
  /opt/modelwright/{name}/{file} --host 127.0.0.1 --port 8000
LoadCredential=token:/etc/modelwright/{name}.token
Environment=WRIGHT_TOKEN_FILE=%d/token PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
Restart=on-failure
RestartSec=1
DynamicUser=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def write_docker(package: str | Path, folder: str | Path) -> tuple[Path, ...]:
    """Write `Dockerfile`, `compose.yaml`, `.dockerignore`, an empty `wheels/` and the package itself into `folder`.

    The image has the runtime and the package, runs as no user of the machine, needs no writable disk, tells its health,
    and reads its token from `/run/secrets/token`. Raises what `load` raises for a package, and
    `UserError("supply.name")` when its name leaves nothing that an image can be called.

    >>> import tempfile
    >>> from modelwright.testing.packages import tiny_package
    >>> with tempfile.TemporaryDirectory() as place:
    ...     made = write_docker(tiny_package(Path(place)).path, f"{place}/deploy")
    ...     "USER 65534" in made[0].read_text(), [path.name for path in made]
    (True, ['Dockerfile', 'compose.yaml', '.dockerignore', 'README', 'tiny.wright'])
    """
    texts = {
        "Dockerfile": DOCKERFILE,
        "compose.yaml": COMPOSE,
        ".dockerignore": "*\n!wheels\n!{file}\n",
        "wheels/README": "Wheels that the image installs before it asks the package index.\n",
    }
    return _laid_out(package, folder, texts)


def write_systemd(package: str | Path, folder: str | Path) -> tuple[Path, ...]:
    """Write `NAME.service` and the package itself into `folder`; the unit's head says how to install both.

    The service has a user that exists only while it runs, sees the disk read-only, and reads its token as a credential
    of systemd. Raises as `write_docker`.

    >>> import tempfile
    >>> from modelwright.testing.packages import tiny_package
    >>> with tempfile.TemporaryDirectory() as place:
    ...     made = write_systemd(tiny_package(Path(place)).path, f"{place}/deploy")
    ...     "DynamicUser=yes" in made[0].read_text(), [path.name for path in made]
    (True, ['tiny.service', 'tiny.wright'])
    """
    return _laid_out(package, folder, {"{name}.service": UNIT})


def image_name(name: str) -> str:
    """A model's name as images, units and folders can be called.

    >>> image_name("Ames Housing (2)")
    'ames-housing-2'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-")
    if not plain:
        raise UserError("supply.name", f"{name!r} leaves nothing that an image or a unit can be called.",
                        hint="package the model under a name with letters a to z")  # fmt: skip
    return plain


def _laid_out(package: str | Path, folder: str | Path, texts: dict[str, str]) -> tuple[Path, ...]:
    from modelwright.core.store import disk_faults, write_atomically
    from modelwright_runtime import load

    model, place, made = load(package), Path(folder), []
    facts = _facts(model)
    with disk_faults(place):
        for name, text in texts.items():
            path = place / name.format(**facts)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text.format(**facts).encode())
            made.append(path)
        copy = place / facts["file"]
        if copy.resolve() != Path(package).resolve():
            write_atomically(copy, Path(package).read_bytes())
        made.append(copy)
    return tuple(made)


def _facts(model: Model) -> dict[str, str]:
    from importlib.metadata import version

    environment, name = model.facts.get("environment", {}), image_name(model.name)
    media = any(array.form in ("image", "audio") for array in model.signature.arrays)
    python = environment.get("python", "3.12")
    return {
        "name": name,
        "file": f"{name}.wright",
        "task": model.signature.task.kind,
        "target": re.sub(r"[^ -~]", "?", model.signature.task.target)[:80],
        "digest": model.facts["digest"],
        "extra": "[media]" if media else "",
        "version": version("modelwright-runtime"),
        "python": ".".join(python.split(".")[:2]) if re.fullmatch(r"[0-9.]+", python) else "3.12",
    }
