"""Clients of the real devices, one for each way to carry Modbus, and how they tell late answers from right ones."""
