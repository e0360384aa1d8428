"""Check the certificate and key of an upstream or downstream."""

from softsplit.config.downstream import Downstream
from softsplit.config.upstream import Upstream
from softsplit.errors import ConfigError


def judge_identity(end: Upstream | Downstream) -> tuple[bool, str]:
    """Return whether our certificate there is valid for long enough, and a sentence about it.

    Raises ConfigError if it cannot be used. If only we may not read it, the service may: then it is no error.
    """
    if end.identity is None:
        return True, ""
    # with OpenSSL, for which those without TLS do not wait
    from softsplit.security.credentials import Credentials, how_long
    try:
        own = Credentials(end.identity, is_server=isinstance(end, Downstream)).certificate
    except ConfigError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        return True, f"{error.what}; only root and the service can check them"
    said = how_long(own)
    return not said, f"our certificate {own.subject}: {said}" if said else f"our certificate is {own.subject}"
