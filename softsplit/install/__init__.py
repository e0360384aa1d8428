"""What starts softsplit by itself and names its adapters: systemd units, cron lines, udev rules."""
