"""The side of the real devices, where softsplit is the Modbus client and the only master of the bus."""
