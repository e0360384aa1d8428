"""One read of one block, for a person."""

from softsplit import checks
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.pdus import unpack_bits
from softsplit.line import Line
from softsplit.upstream.clients import client_for
from softsplit.url import parse_url


def read_block(where: str, unit: int, block: Block, timeout: float = 1.0,
               line: Line | None = None) -> list[int]:
    """Return the registers or bits of a block, as numbers.

    `where` is HOST, HOST:PORT or a url; `line` says how a serial one is spoken on. Raises ConfigError or
    UpstreamError.
    """
    Read(block, "raw")  # one read may ask for it
    checks.require_seconds(timeout, "timeout")
    url = parse_url(where if "://" in where else f"tcp://{where}", ("tcp", "rtuovertcp", "rtu"))
    client = client_for(url, timeout, line)
    try:
        data = client.read(unit, block, timeout)
    finally:
        client.close()
    if block.table.holds_bits:
        return list(unpack_bits(data, block.count))
    return [int.from_bytes(data[offset:offset + 2], "big") for offset in range(0, len(data), 2)]


def format_block(block: Block, items: list[int]) -> str:
    """One line an item: address, and the number in decimal and hex, or the bit."""
    if block.table.holds_bits:
        return "\n".join(f"0x{address:04X}  {bit}" for address, bit in enumerate(items, block.address))
    return "\n".join(f"0x{address:04X}  {word:5d}  0x{word:04X}"
                     for address, word in enumerate(items, block.address))
