"""The side of the masters: here softsplit is the Modbus server of Victron, Maxem and the charger."""
