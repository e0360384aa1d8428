"""Look at the certificates and keys of an upstream or downstream."""

from softsplit.config.downstream import Downstream
from softsplit.config.upstream import Upstream
from softsplit.errors import ConfigError
from softsplit.security.credentials import Credentials, how_long


def judge_identity(end: Upstream | Downstream) -> tuple[bool, str]:
    """Return whether our certificate there is good for a while, and a sentence about it.

    Raises ConfigError when it cannot be used. That it is not ours to read is no such error: the service may.
    """
    if end.identity is None:
        return True, ""
    try:
        own = Credentials(end.identity, is_server=isinstance(end, Downstream)).certificate
    except ConfigError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        return True, f"{error.what}; whether they are right can be seen by root and the service only"
    said = how_long(own)
    return not said, f"our certificate {own.subject}: {said}" if said else f"our certificate is {own.subject}"
