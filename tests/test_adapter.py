"""Serial devices: opened again and again, whoever opens them."""

import os

import pytest

from softsplit.adapter import Adapter
from softsplit.line import Line
from softsplit.tools.cable import Cable
from softsplit.upstream.tap import SerialTap
from softsplit.url import parse_url
from tests.support import running


@pytest.mark.parametrize("device", [Adapter, SerialTap])
@pytest.mark.parametrize("mode", ["8E1", "8N1", "8O2"])
def test_a_device_can_be_opened_again_though_it_knows_no_parity(device, mode):
    cable = Cable()
    with running(cable):
        for _ in range(3):
            opened = device(parse_url(f"rtu://{cable.left}", ("rtu",)), Line(9600, mode))
            opened.open()
            assert os.ttyname(opened.fileno()) == cable.left
            opened.close()
