"""Clients of the real devices: one for each way to carry Modbus, and what they know of answers that may still come."""
