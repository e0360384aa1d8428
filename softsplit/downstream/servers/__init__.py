"""Servers for masters, one for each way to carry Modbus, with their connections, filters and framing."""
