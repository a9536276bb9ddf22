"""A bridge of the stack's own: a subnet that nobody uses, and the firewall rules that let it out."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from imageyard import process
from imageyard.errors import EnvironmentLacks

__all__ = ["free_subnet", "remove_bridge", "rules", "set_up_bridge", "taken_networks"]

_POOL = ipaddress.ip_network("172.29.0.0/16")
_HINT = "nox -s install_stack"


def free_subnet(taken: Iterable[str]) -> str:
    """A /24 of 172.29.0.0/16 that overlaps none of `taken` (networks or addresses, IPv4).

    Raises EnvironmentLacks where none is left.
    """
    networks = [ipaddress.ip_network(text, strict=False) for text in taken if ":" not in text]
    for candidate in _POOL.subnets(new_prefix=24):
        if not any(candidate.overlaps(network) for network in networks):
            return str(candidate)
    raise EnvironmentLacks(f"no free network for containers is left in {_POOL}", hint="ip route")


def taken_networks(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """The networks of this machine's addresses and routes, and the addresses of its name servers."""
    found = []
    for link in json.loads(_ip("-json", "-4", "address") or "[]"):
        found += [f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", []) if "local" in a]
    routes = json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]")
    found += [r["dst"] for r in routes if r.get("dst", "default") != "default"]
    if resolv_conf.is_file():
        lines = [line.split() for line in resolv_conf.read_text().splitlines()]
        found += [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver" and "%" not in line[1]]
    return tuple(found)


def rules(bridge: str, subnet: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The firewall rules of a bridge as (table, chain and match).

    dockerd would rebuild its DOCKER chains when it starts, and with them drop the rules of a dockerd that runs already
    (seen with 28.5); so it is started without firewall rules, and these stand outside those chains.
    """
    return (
        ("nat", ("POSTROUTING", "-s", subnet, "!", "-o", bridge, "-j", "MASQUERADE")),
        ("filter", ("FORWARD", "-i", bridge, "-j", "ACCEPT")),
        (
            "filter",
            ("FORWARD", "-o", bridge, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"),
        ),
    )


def set_up_bridge(bridge: str, subnet: str | None) -> str:
    """Make the bridge and its rules where they are missing, and return its subnet: the one given, if it is free.

    Raises EnvironmentLacks where ip or iptables refuse.
    """
    if Path("/sys/class/net", bridge).exists():
        subnet = _subnet_of(bridge) or subnet
    if subnet is None or (not Path("/sys/class/net", bridge).exists() and _overlaps(subnet)):
        subnet = free_subnet(taken_networks())
    if not Path("/sys/class/net", bridge).exists():
        _ip("link", "add", bridge, "type", "bridge")
    if not _subnet_of(bridge):
        gateway = next(ipaddress.ip_network(subnet).hosts())
        _ip("address", "add", f"{gateway}/24", "dev", bridge)
    _ip("link", "set", bridge, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for table, rule in _missing(bridge, subnet):
        _must([_iptables(), "--wait", "--table", table, "--insert", *rule])
    return subnet


def remove_bridge(bridge: str, subnet: str | None) -> None:
    """Take away the bridge and its rules, as far as they are there."""
    if subnet is not None:
        for table, rule in rules(bridge, subnet):
            while process.run([_iptables(), "--wait", "--table", table, "--delete", *rule]).code == 0:
                pass
    if Path("/sys/class/net", bridge).exists():
        _ip("link", "delete", bridge)


def _missing(bridge: str, subnet: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for table, rule in rules(bridge, subnet):
        if process.run([_iptables(), "--wait", "--table", table, "--check", *rule]).code != 0:
            yield table, rule


def _overlaps(subnet: str) -> bool:
    own = ipaddress.ip_network(subnet)
    return any(own.overlaps(ipaddress.ip_network(t, strict=False)) for t in taken_networks() if ":" not in t)


def _subnet_of(bridge: str) -> str | None:
    for link in json.loads(_ip("-json", "-4", "address", "show", "dev", bridge) or "[]"):
        for address in link.get("addr_info", []):
            return str(ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False))
    return None


def _iptables() -> str:
    return process.find("iptables", "/usr/sbin", "/sbin", hint=_HINT)


def _ip(*words: str) -> str:
    return _must([process.find("ip", "/usr/sbin", "/sbin", hint=_HINT), *words])


def _must(argv: list[str]) -> str:
    done = process.run(argv)
    if done.code != 0:
        raise EnvironmentLacks(
            f"{Path(argv[0]).name} {' '.join(argv[1:])} failed",
            doing="setting up the network of the local stack",
            detail=done.complaint.splitlines()[-5:],
            hint="it takes root, and a kernel with bridges and netfilter",
        )
    return done.text
