"""Lines of the log keep their order, none is lost at a stop, and lost ones are counted."""

import io
import threading
from select import PIPE_BUF

from eventapp.core.log_writer import LogWriter
from eventapp.core.metrics import DROPPED_LOG_LINES


def count_dropped():
    return DROPPED_LOG_LINES._value.get()


class BlockedFile(io.StringIO):
    """A file that accepts nothing until `open` is set, and remembers each write."""

    def __init__(self):
        super().__init__()
        self.open, self.is_waiting, self.writes = threading.Event(), threading.Event(), []

    def write(self, text):
        self.is_waiting.set()
        assert self.open.wait(10)
        self.writes.append(text)
        return super().write(text)


class FullDisk(io.StringIO):
    """A file that refuses what it is given until `has_room` is set."""

    has_room = False

    def write(self, text):
        if not self.has_room:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_before_the_start_and_after_the_stop_are_written_at_once():
    file = io.StringIO()
    writer = LogWriter(file)
    writer.write("before\n")
    assert file.getvalue() == "before\n"
    writer.start()
    writer.write("between\n")
    writer.stop()
    writer.write("after\n")
    assert file.getvalue() == "before\nbetween\nafter\n"


def test_a_stop_without_a_start_does_nothing():
    LogWriter(io.StringIO()).stop()


def test_queued_lines_are_written_without_a_stop():
    file = BlockedFile()
    file.open.set()
    writer = LogWriter(file)
    writer.start()
    writer.write("one\n")
    assert file.is_waiting.wait(10)
    writer.stop()
    assert file.getvalue() == "one\n"


def test_lines_of_each_thread_keep_their_order_and_none_is_lost_by_a_stop():
    file = io.StringIO()
    writer = LogWriter(file)
    writer.start()
    started = threading.Barrier(9)

    def log(number):
        started.wait()
        for count in range(2_000):
            writer.write(f"{number} {count}\n")

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    started.wait()
    writer.stop()
    for each in threads:
        each.join()
    lines = [line.split() for line in file.getvalue().splitlines()]
    for number in range(8):
        counts = [int(count) for thread, count in lines if int(thread) == number]
        assert counts == list(range(2_000))


def test_lines_beyond_the_bound_are_dropped_and_counted():
    file, before = BlockedFile(), count_dropped()
    writer = LogWriter(file, max_characters=100)
    writer.start()
    writer.write("first\n")
    assert file.is_waiting.wait(10)  # The thread has taken the first line, and waits.
    for number in range(30):
        writer.write(f"line {number:04}\n")
    file.open.set()
    writer.stop()
    assert file.getvalue() == "first\n" + "".join(f"line {number:04}\n" for number in range(10))
    assert count_dropped() - before == 20
    writer.write("there is room again\n")
    assert file.getvalue().endswith("room again\n")


def test_lines_that_the_file_refuses_are_counted_and_do_not_end_the_thread():
    file, before = FullDisk(), count_dropped()
    writer = LogWriter(file)
    writer.write("lost\n")
    writer.start()
    for _ in range(3):
        writer.write("lost\n")
    writer.stop()
    assert (file.getvalue(), count_dropped() - before) == ("", 4)
    file.has_room = True
    writer.write("kept\n")
    assert file.getvalue() == "kept\n"


def test_processes_that_share_a_pipe_mix_no_lines():
    file = BlockedFile()
    writer = LogWriter(file)
    writer.start()
    writer.write("first\n")
    assert file.is_waiting.wait(10)
    lines = [*("x" * 300 + "\n" for _ in range(50)), "ä" * PIPE_BUF + "\n", "last\n"]
    for line in lines:
        writer.write(line)
    file.open.set()
    writer.stop()
    assert file.getvalue() == "first\n" + "".join(lines)
    assert all(text.endswith("\n") for text in file.writes)
    long = [text for text in file.writes if len(text.encode()) > PIPE_BUF]
    assert [text.count("\n") for text in long] == [1]
    assert len(file.writes) < 12
