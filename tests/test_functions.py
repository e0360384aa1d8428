"""The table of function codes: what the specification says of each."""

import pytest

from softsplit.protocol import adu
from softsplit.protocol.functions import (ECHOING, FUNCTIONS, READ_AND_WRITE, READ_FUNCTIONS, WRITING, Table,
                                          describe, describe_pdu, writing)


def test_each_table_is_read_by_its_own_function():
    assert {table.value: code for table, code in READ_FUNCTIONS.items()} == {
        "coils": 1, "discrete inputs": 2, "holding registers": 3, "input registers": 4}
    assert all(FUNCTIONS[code].table is table and FUNCTIONS[code].max_read == table.max_count
               for table, code in READ_FUNCTIONS.items())


def test_what_writes_and_what_echoes_is_told_apart():
    assert sorted(WRITING) == [5, 6, 15, 16, 21, 22, 23]
    assert sorted(ECHOING) == [5, 6, 8, 21, 22]
    assert writing(Table.HOLDING_REGISTERS) == (6, 16, 22, READ_AND_WRITE)
    assert writing(Table.HOLDING_REGISTERS, plainly=True) == (6, 16)
    assert writing(Table.COILS) == (5, 15) and writing(Table.INPUT_REGISTERS) == ()


def test_the_limits_of_writing_are_those_of_the_specification():
    assert {code: FUNCTIONS[code].max_written for code in (5, 6, 15, 16, 22, 23)} == {
        5: 1, 6: 1, 15: 1968, 16: 123, 22: 1, 23: 121}


@pytest.mark.parametrize("request_pdu, words", [
    ("03 5b00 0015", "read holding registers 0x5B00+21"), ("05 0001 ff00", "write coil 0x0001"),
    ("10 0010 0002 04 0001 0002", "write registers 0x0010+2"), ("2b 0e 01 00", "read device identification"),
    ("41 00", "function 65"), ("03", "read holding registers"), ("16 0010 00f2 0025", "mask write register 0x0010"),
    ("17 0010 0001 0020 0001 02 1234", "read and write registers 0x0010+1")])
def test_a_request_is_put_into_words_in_one_way(request_pdu, words):
    assert describe_pdu(bytes.fromhex(request_pdu)) == words


def test_a_request_without_its_count_has_words_too():
    assert (describe(3, 0x10), describe(24, 0x10)) == ("read holding registers 0x0010", "read FIFO queue 0x0010")


def test_a_frame_with_all_that_its_function_demands_has_the_length_that_the_table_tells():
    for code, row in FUNCTIONS.items():
        if isinstance(row.request, int):
            frame = bytes((1, code)) + bytes(row.request - 4)
        else:
            position, around = row.request
            frame = bytes((1, code)) + bytes(position - 2) + b"\x02" + bytes(around - position - 3 + 2)
        frame += adu.crc(frame).to_bytes(2, "little")
        assert adu.request_length(frame) == len(frame), row.name
