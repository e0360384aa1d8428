"""The side of the masters, where softsplit is the Modbus server of Victron, Maxem and the charger."""
