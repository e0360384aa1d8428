"""Find USB adapters in sysfs, and the conditions by which udev recognises them."""

import re
from dataclasses import dataclass
from pathlib import Path

USELESS_SERIAL = re.compile(r"0*1?")  # some makers give all their adapters the same one
PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")  # has no special meaning in a udev rule


@dataclass(frozen=True, slots=True)
class UsbAdapter:
    """A tty on USB. `port` is the socket of its adapter, such as 1-1.2.

    `interface` and `channel` distinguish the ttys of one adapter; they may be empty.
    """

    tty: str
    vendor: str
    product: str
    serial: str
    port: str
    interface: str
    channel: str

    @property
    def is_marked(self) -> bool:
        """Whether it has a useful serial number."""
        return PLAIN.fullmatch(self.serial) is not None and not USELESS_SERIAL.fullmatch(self.serial)

    def looks_like(self, other: "UsbAdapter") -> bool:
        """Whether the two differ only by their ports."""
        mine, others = ((each.vendor, each.product, each.serial) for each in (self, other))
        return mine == others and self.port != other.port


def find_adapters(sys: Path) -> list[UsbAdapter]:
    """Return every tty on USB in sysfs, which is at `sys`."""
    found = (_adapter(tty) for tty in sorted(sys.glob("class/tty/*")))
    return [adapter for adapter in found if adapter]


def _adapter(tty: Path) -> UsbAdapter | None:
    """Describe a tty by the directories above its device; None if it is not on USB."""
    device = (tty / "device").resolve()
    usb = next((each for each in device.parents if (each / "idVendor").is_file()), None)
    if usb is None or not device.is_dir():
        return None
    interface = usb / device.relative_to(usb).parts[0]
    return UsbAdapter(tty.name, _attribute(usb, "idVendor"), _attribute(usb, "idProduct"),
                      _attribute(usb, "serial"), usb.name, _attribute(interface, "bInterfaceNumber"),
                      _attribute(device, "port_number"))


def _attribute(directory: Path, name: str) -> str:
    try:
        return (directory / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def marks(adapter: UsbAdapter, adapters: list[UsbAdapter]) -> tuple[list[str], bool]:
    """Return the conditions of a udev rule for this adapter, and whether they name its port.

    A serial number works in any port; an adapter without one, or with that of another, is known by its port.
    """
    by_port = not adapter.is_marked or any(adapter.looks_like(each) for each in adapters)
    which = f'KERNELS=="{adapter.port}"' if by_port else f'ATTRS{{serial}}=="{adapter.serial}"'
    conditions = [f'ATTRS{{idVendor}}=="{adapter.vendor}"', f'ATTRS{{idProduct}}=="{adapter.product}"', which]
    siblings = [each for each in adapters if each.port == adapter.port and each.tty != adapter.tty]
    if siblings:
        conditions.append(f'ENV{{ID_USB_INTERFACE_NUM}}=="{adapter.interface}"')  # of 60-serial.rules
    if any(each.interface == adapter.interface for each in siblings):
        conditions.append(f'ENV{{.ID_PORT}}=="{adapter.channel}"')
    return conditions, by_port
