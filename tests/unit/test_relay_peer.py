# SPDX-License-Identifier: Apache-2.0
"""pymodbus at the other end of the line: our framing against its server, our simulator against its client."""

import asyncio
import os
import select
import threading
import tty
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from pymodbus.client import ModbusSerialClient
from pymodbus.pdu import ExceptionResponse
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_gate.core.clock import SystemClock
from edge_gate.core.errors import RelayGarbled, RelaySilent
from edge_gate.relays.board import RelayBoard
from edge_gate.relays.framing import Exchange
from edge_gate.relays.line import SerialLine
from edge_gate.relays.modbus import WaveshareModbus
from edge_gate.relays.simulator import BoardSimulator, Change, Fault
from edge_gate.settings.config import DoorSettings
from tests.support.turning import TurnedBoard, TurnedLine

BOARD = WaveshareModbus(DoorSettings(channels=8))


class Wire:
    """Two pseudo-terminals joined by a thread, as a cable joins two machines.

    ``echoes``: the first end hears what it sends, as two wires with the receiver left on.
    """

    def __init__(self, *, echoes: bool = False) -> None:
        self.echoes = echoes
        self.ends = [os.openpty() for _ in range(2)]
        for _, slave in self.ends:
            tty.setraw(slave)
        self.paths = [os.ttyname(slave) for _, slave in self.ends]
        self._stop_r, self._stop_w = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        one, other = self.ends[0][0], self.ends[1][0]
        while self._stop_r not in (ready := select.select([one, other, self._stop_r], [], [])[0]):
            for source in ready:
                data = os.read(source, 256)
                if self.echoes and source == one:
                    os.write(one, data)
                os.write(other if source == one else one, data)

    def close(self) -> None:
        os.write(self._stop_w, b"x")
        self._thread.join()
        for end in (*self.ends[0], *self.ends[1], self._stop_r, self._stop_w):
            os.close(end)


class Peer:
    """pymodbus' RTU server, with plain coils and no idea of Waveshare's special addresses."""

    def __init__(self, coils: int, *, echoes: bool = False) -> None:
        self.wire = Wire(echoes=echoes)
        self.path = self.wire.paths[0]
        bits = [SimData(0, count=coils, values=False, datatype=DataType.BITS)]
        registers = [SimData(0, count=1, values=0, datatype=DataType.REGISTERS)]
        self._device = SimDevice(1, (bits, bits, registers, registers))
        self._loop = asyncio.new_event_loop()
        self._server: Future[ModbusSerialServer] = Future()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._server.result(5)

    async def _serve(self) -> None:
        server = ModbusSerialServer(self._device, port=self.wire.paths[1], baudrate=115_200)
        await server.serve_forever(background=True)
        self._server.set_result(server)
        await server.serving

    async def _shutdown(self) -> None:
        await self._server.result().shutdown()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._shutdown(), self._loop).result(5)
        self._thread.join()
        self._loop.close()
        self.wire.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer(coils=8)
    yield server
    server.close()


@pytest.fixture
def simulator() -> Iterator[BoardSimulator]:
    with BoardSimulator("modbus-waveshare", channels=8) as board:
        yield board


def port_to(path: str, on_open: tuple[Exchange, ...] = (), patience_ms: int = 2000) -> TurnedLine:
    return TurnedLine(SerialLine(path, 115_200, SystemClock(), on_open, patience_ms), SystemClock())


def test_pymodbus_takes_our_writes_and_we_take_its_answers(peer: Peer) -> None:
    port = port_to(peer.path)
    for channel in (1, 3, 8):
        assert port.exchange(BOARD.on(channel)) == BOARD.on(channel).request
    port.exchange(BOARD.off(3))
    states = BOARD.decode(port.exchange(BOARD.read()) or b"")
    assert states == (True, False, False, False, False, False, False, True)
    port.close()


def test_pymodbus_is_understood_on_a_line_that_echoes() -> None:
    peer = Peer(coils=8, echoes=True)
    port = port_to(peer.path, (BOARD.read(),))
    for channel in (1, 8):
        assert port.exchange(BOARD.on(channel)) == BOARD.on(channel).request
    assert BOARD.decode(port.exchange(BOARD.read()) or b"") == (True, *[False] * 6, True)
    port.exchange(BOARD.off(1))
    assert BOARD.decode(port.exchange(BOARD.read()) or b"") == (*[False] * 7, True)
    port.close()
    peer.close()


def test_a_board_that_does_not_know_all_relays_off_is_never_used(peer: Peer) -> None:
    port = port_to(peer.path, BOARD.all_off(), patience_ms=100)
    with pytest.raises(RelayGarbled, match="answered 01 85 02"):
        port.exchange(BOARD.on(1))
    port.close()


def test_a_modbus_device_that_takes_a_timed_pulse_for_a_switch_is_found_out_and_switched_off() -> None:
    peer = Peer(coils=0x300)  # coil 0x200 exists, and is just a coil
    line = port_to(peer.path, BOARD.all_off(), patience_ms=500).line
    relay = TurnedBoard(RelayBoard(BOARD, line, SystemClock()), SystemClock())
    with pytest.raises(RelayGarbled, match="where 01 05 02 00 00 07 8D B0 was expected"):
        relay.pulse(1, 700)
    assert relay.read() == (False,) * 8
    assert relay.due_ns is None
    relay.close()
    peer.close()


def test_pymodbus_finds_the_simulator_to_be_a_modbus_device(simulator: BoardSimulator) -> None:
    with ModbusSerialClient(simulator.path, baudrate=115_200, timeout=2, retries=0) as client:
        assert not client.write_coil(2, True, device_id=1).isError()
        assert not client.write_coil(7, True, device_id=1).isError()
        assert client.read_coils(0, count=8, device_id=1).bits == [False, False, True, *[False] * 4, True]
        assert client.read_coils(7, count=1, device_id=1).bits[0] is True
        assert not client.write_coil(2, False, device_id=1).isError()
        assert simulator.relays == (*[False] * 7, True)
        beyond = client.write_coil(8, True, device_id=1)
        assert isinstance(beyond, ExceptionResponse)
        assert beyond.exception_code == 2
        assert client.read_coils(4, count=8, device_id=1).isError()
        simulator.fail(Fault.REFUSES)
        broken = client.write_coil(0, True, device_id=1)
        assert isinstance(broken, ExceptionResponse)
        assert broken.exception_code == 4


def test_the_simulator_obeys_the_frames_of_waveshares_wiki(simulator: BoardSimulator) -> None:
    """All on, toggle one, flash one off for 800 ms: frames that the gate itself never sends."""
    seen = []
    port = port_to(simulator.path)
    for text in ("01 05 00 FF FF 00 BC 0A", "01 05 00 00 55 00 F2 9A", "01 05 04 01 00 08 9C FC"):
        request = bytes.fromhex(text)
        port.exchange(Exchange(request, request, len(request)))
        seen.append(simulator.relays[:3])
    assert seen == [(True, True, True), (False, True, True), (False, False, True)]
    assert simulator.wait_for(2, True)  # the flash is over
    port.close()


def test_the_simulator_does_not_hear_a_frame_with_a_wrong_check_and_hears_the_next(simulator: BoardSimulator) -> None:
    port = port_to(simulator.path, patience_ms=50)
    spoilt = BOARD.on(1).request[:-1] + b"\x00"
    with pytest.raises(RelaySilent):
        port.exchange(Exchange(spoilt, spoilt, 8))
    assert simulator.heard == []
    port.close()
    port = port_to(simulator.path)
    assert port.exchange(BOARD.on(2)) == BOARD.on(2).request
    assert simulator.relays[:2] == (False, True)
    port.close()


def test_a_board_at_another_address_is_silent_and_unmoved() -> None:
    with BoardSimulator("modbus-waveshare", channels=8, address=2) as other:
        port = port_to(other.path, patience_ms=50)
        with pytest.raises(RelaySilent):
            port.exchange(BOARD.on(1))
        assert other.history == ()
        port.close()


def test_a_simulated_usb_relay_loses_its_current_with_its_plug_and_tells_what_moved() -> None:
    told: list[Change] = []
    with BoardSimulator("lcus1", on_change=told.append) as relay:
        port = port_to(relay.path)
        port.exchange(Exchange(bytes.fromhex("A0 01 01 A2"), None, 0))
        assert relay.wait_for(1, True)
        relay.unplug()
        assert tuple(told) == relay.history
        assert [each.on for each in told] == [True, False]
        port.close()
