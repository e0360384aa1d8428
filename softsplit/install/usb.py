"""Find USB adapters in sysfs, and how udev can recognise them."""

import re
from dataclasses import dataclass
from pathlib import Path

USELESS_SERIAL = re.compile(r"0*1?")  # of makers who give all their adapters the same one
PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")  # what stands for nothing but itself in a udev rule


@dataclass(frozen=True, slots=True)
class UsbAdapter:
    """A tty on USB. `port` is the socket it is plugged into, such as 1-1.2, whatever is plugged in there.

    `interface` and `channel` tell the ttys of one adapter apart; they may be empty.
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
        """Whether the maker gave it a serial number that is worth the name."""
        return PLAIN.fullmatch(self.serial) is not None and not USELESS_SERIAL.fullmatch(self.serial)

    def looks_like(self, other: "UsbAdapter") -> bool:
        """Whether only their ports tell them apart."""
        mine, others = ((each.vendor, each.product, each.serial) for each in (self, other))
        return mine == others and self.port != other.port


def find_adapters(sys: Path) -> list[UsbAdapter]:
    """Return every tty on USB that sysfs, at `sys`, knows."""
    found = (_adapter(tty) for tty in sorted(sys.glob("class/tty/*")))
    return [adapter for adapter in found if adapter]


def _adapter(tty: Path) -> UsbAdapter | None:
    """What is known of a tty, from the directories above its device; None when it is not on USB."""
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
    """Return conditions of a udev rule that only this one of the adapters meets; and whether it is by port.

    By its serial number it is known wherever it is plugged in; one that has none, or shares it, by its port.
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
