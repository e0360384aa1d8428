"""The side of the masters: softsplit is the Modbus server of Victron, Maxem and the charger."""
