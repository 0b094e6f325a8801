"""The private parts of Granian that `core/server/granian_server.py` overrides or uses exist.

A test that fails here after an update of Granian names the part that changed.
"""

import inspect
import os
import socket

import pytest
from granian import Granian
from granian.log import LOGGING_CONFIG
from granian.net import SocketHolder
from granian.server.common import AbstractServer
from granian.server.mp import MPServer, WorkerProcess

from eventapp.core.server.granian_server import GranianServer
from eventapp.core.server.sockets import open_sockets

SIGNATURES = [
    ("_init_shared_socket", "(self)"),
    ("_spawn_worker", "(self, idx, target, callback_loader) -> granian.server.mp.WorkerProcess"),
    ("_serve_loop", "(self, spawn_target, target_loader)"),
    ("_respawn_workers", "(self, workers, spawn_target, target_loader, delay: 'float' = 0)"),
]


@pytest.fixture
def server():
    listeners = open_sockets("127.0.0.1", 0, 2)
    yield GranianServer(2, listeners)
    for listener in listeners:
        listener.close()


def test_granian_is_the_server_with_worker_processes():
    assert Granian is MPServer


@pytest.mark.parametrize(("name", "signature"), SIGNATURES)
def test_a_private_method_has_the_expected_signature(name, signature):
    assert str(inspect.signature(getattr(Granian, name))) == signature


def test_each_overridden_method_exists_in_granian():
    overridden = {name for name in vars(GranianServer) if hasattr(Granian, name)}
    private = {name for name in overridden if name.startswith("_") and name[1] != "_"}
    assert private == {"_init_shared_socket", "_spawn_worker", "_serve_loop"}


def test_the_private_attributes_exist(server):
    assert not server.main_loop_interrupt.is_set()
    assert (server.interrupt_signal, server.reload_signal) == (False, False)
    assert (server.wrks, server.interrupt_children) == ([], [])
    assert hasattr(server, "_ssp")
    assert hasattr(server, "_shd")
    assert "self._sso" in inspect.getsource(MPServer._spawn_worker)
    assert "self._shd" in inspect.getsource(MPServer._spawn_worker)
    assert "_init_shared_socket()" in inspect.getsource(AbstractServer.startup)


def test_a_worker_has_an_index_a_process_and_a_start_time(server):
    server._init_shared_socket()
    server._ipc = [(None, None)] * 2
    worker = WorkerProcess(server, 1, lambda: None, ())
    assert worker.idx == 1
    assert worker.birth > 0
    assert worker.inner.exitcode is None
    assert not worker.inner.is_alive()


def test_a_socket_holder_takes_a_descriptor():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        holder = SocketHolder(os.dup(listener.fileno()), False, 16)
        assert holder.get_fd() >= 0


def test_every_log_handler_can_be_redirected():
    assert all("stream" in handler for handler in LOGGING_CONFIG["handlers"].values())
