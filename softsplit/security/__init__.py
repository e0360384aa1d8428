"""Certificates of Modbus/TCP Security: what they say, and the TLS contexts that are made of them."""
