"""Frames of Modbus RTU as modbus-tk's master builds them and takes them apart."""

from modbus_tk.modbus_rtu import RtuQuery

from softsplit.protocol import adu


class Query(RtuQuery):
    """A request and its reply, whose unit address takes so many bytes."""

    def __init__(self, unit_bytes: int):
        super().__init__()
        self._unit_bytes = unit_bytes

    def build_request(self, pdu, slave):
        return adu.rtu_frame(slave, pdu)

    def parse_response(self, response):  # which RtuClient._recv has checked
        return adu.take_apart(response, self._unit_bytes)[1]
