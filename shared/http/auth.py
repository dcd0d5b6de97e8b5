"""Who may write and who may read."""

import base64
import hashlib
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.requests import Request

from shared.http.problems import FORBIDDEN, UNAUTHENTICATED, Problem

_LONGEST_ADDRESS: Final = 64  # characters; with a zone. A longer name is not worth remembering


class Scope(StrEnum):
    """What a key opens."""

    WRITE = "write"
    READ = "read"


class Keys:
    """The keys of the service, kept and looked up as digests, so that timing tells nothing."""

    def __init__(self, write: frozenset[str], read: frozenset[str]) -> None:
        self._scopes = {_digest(key): Scope.WRITE for key in write}
        self._scopes |= {_digest(key): Scope.READ for key in read}
        self._guarded = frozenset(self._scopes.values())

    def open_scopes(self) -> list[Scope]:
        """List what anybody may do because no key guards it."""
        return [scope for scope in Scope if scope not in self._guarded]

    def identify(self, request: Request, scope: Scope) -> str:
        """Name the client: by its key where one is asked for, else by its address.

        An IPv6 client is its /64, which is what one subscriber gets. Raises a 401 problem where a
        key is missing and a 403 where it does not open `scope`.
        """
        if scope not in self._guarded:
            return _named(request.client.host if request.client else "")
        key = _presented_key(request)
        if not key:
            raise Problem(
                UNAUTHENTICATED,
                f"This needs a {scope} key: Authorization: Bearer KEY, or X-API-Key: KEY",
                headers={"WWW-Authenticate": 'Bearer realm="footfall"'},
            )
        digest = _digest(key)
        if self._scopes.get(digest) is not scope:
            raise Problem(FORBIDDEN, f"This key is not one that may {scope}")
        return f"key:{digest[:16]}"


def _presented_key(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if scheme.lower() == "basic":  # the key as user name, as Segment's SDKs and `curl -u` send it
        return _user_name(token.strip())
    return request.headers.get("X-API-Key", "").strip()


def _user_name(credentials: str) -> str:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except ValueError:  # neither base64 nor UTF-8
        return "?"
    return text.partition(":")[0]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


@lru_cache(maxsize=1024)
def _name_of(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return "address:unknown"  # a trusted proxy passed on what is no address
    if not isinstance(address, IPv6Address):
        return f"address:{address}"
    if address.ipv4_mapped:
        return f"address:{address.ipv4_mapped}"
    return f"address:{IPv6Address(int(address) >> 64 << 64)}/64"


def _named(host: str) -> str:
    return _name_of(host) if len(host) <= _LONGEST_ADDRESS else "address:unknown"
