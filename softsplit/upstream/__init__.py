"""The side of the real devices: here softsplit is the Modbus client, the only master of the bus."""
