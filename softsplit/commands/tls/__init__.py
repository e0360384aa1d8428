"""softsplit tls: make and show the certificates of Modbus/TCP Security."""
