"""The queries with which modbus-tk's masters frame requests and unpack answers, already checked."""

from modbus_tk.modbus_rtu import RtuQuery
from modbus_tk.modbus_tcp import TcpQuery

from softsplit.protocol import adu


class LineQuery(RtuQuery):
    """A request of Modbus RTU and its reply, with a unit address of so many bytes."""

    def __init__(self, unit_bytes: int):
        super().__init__()
        self._unit_bytes = unit_bytes

    def build_request(self, pdu, slave):
        return adu.rtu_frame(slave, pdu)

    def parse_response(self, response):
        return adu.take_apart(response, self._unit_bytes)[1]


class NumberedQuery(TcpQuery):
    """A request of Modbus TCP with a given transaction id, and its answer."""

    def __init__(self, transaction: int):
        super().__init__()
        self._transaction = transaction

    def _get_transaction_id(self):
        return self._transaction

    def parse_response(self, response):
        return response[adu.HEADER.size:]
