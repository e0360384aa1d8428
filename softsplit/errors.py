"""Everything softsplit raises on purpose: one sentence for a user, which names the thing and the cure."""


class SoftsplitError(Exception):
    """Something a user can put right; the command line prints it and exits with `exit_code`."""

    exit_code = 1


class ConfigError(SoftsplitError, ValueError):
    """A configuration, profile or topology that cannot be meant; `key` says where it stands."""

    exit_code = 2

    def __init__(self, what: str, key: str = ""):
        text = f"{key}: {what}" if key else what
        super().__init__("".join(each if each.isprintable() else ascii(each)[1:-1] for each in text))
        self.what = what
        self.key = key

    def inside(self, outer: str, joint: str = ".") -> "ConfigError":
        """Return the same error, its key one level deeper in `outer`."""
        return ConfigError(self.what, f"{outer}{joint}{self.key}" if self.key else outer)


class AlreadyRunning(SoftsplitError):
    """Another process runs the same configuration."""

    exit_code = 3

    def __init__(self, config, pid: int | None):
        who = f"process {pid}" if pid else "another process"
        super().__init__(f'{who} runs {config} already; "softsplit status" says how it is')
        self.pid = pid


class DownstreamError(SoftsplitError, OSError):
    """A port cannot be bound, or a serial device cannot be opened, at the start, and waiting is of no use."""


class UpstreamError(SoftsplitError):
    """A read upstream failed; `exception_code` is what a master that waits for it is told."""

    exception_code = 0x0B


class Unreachable(UpstreamError, ConnectionError):
    """There is no connection to the gateway, or no adapter."""

    exception_code = 0x0A


class NoAnswer(UpstreamError, TimeoutError):
    """The unit did not answer in time, or the connection broke while it was to answer."""


class NotSent(NoAnswer):
    """What was to be sent to a unit has not been sent, and will not be."""


class Busy(UpstreamError):
    """More requests wait for the wire than each master's share."""

    exception_code = 0x06


class BadAnswer(UpstreamError):
    """What arrived is not the answer to what was asked (CRC, header, unit, function, byte count)."""


class Refused(UpstreamError):
    """The unit, or the gateway in its place, answered with a Modbus exception."""

    def __init__(self, message: str, exception_code: int):
        super().__init__(message)
        self.exception_code = exception_code
