"""A package and all that a machine needs to serve it: a Dockerfile, or a unit of systemd."""

from modelwright.packaging.supply.base import write_docker, write_systemd

__all__ = ["write_docker", "write_systemd"]
