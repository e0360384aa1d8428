"""Modbus/TCP Security: certificates, roles, and the TLS contexts made from them."""
