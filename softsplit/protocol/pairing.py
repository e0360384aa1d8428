"""Pairing: requests and replies out of what a half-duplex serial line carries."""

from softsplit.protocol.transaction import Kind, Transaction

__all__ = ["Kind", "Transaction"]
