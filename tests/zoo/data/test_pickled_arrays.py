"""Plain pickles of every protocol give what `pickle` gives; anything else is refused at its byte and never run."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corank.errors import InputError
from corank.zoo.data.pickled_arrays import read_pickle

ARRAY = np.random.default_rng(0).integers(0, 256, (3, 5), dtype=np.uint8)
BATCH = {
    b"data": ARRAY,
    b"labels": [0, 255, 256, 70000, 2**40, -1],
    b"name": "training batch 1 of 5",
    "é": [b"\xff\x00", (1, 2, 3, 4), (), None, True, False, {"inner": [1]}],
    "long": "x" * 300,
    "bytes": b"y" * 300,
}


def short(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def written_by_python_2(array: Any, labels: list[int]) -> bytes:
    """A dictionary as Python 2 writes it in protocol 2: texts are bytes, numpy's names are those of old."""
    rows, columns = array.shape
    content = array.tobytes()
    labels_out = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    numpy_array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85" + short(b"b") + b"\x87Rq\x03"
        b"(K\x01K" + bytes([rows]) + b"M" + struct.pack("<H", columns) + b"\x86"
        b"cnumpy\ndtype\nq\x04" + short(b"u1") + b"K\x00K\x01\x87Rq\x05(K\x03" + short(b"|") + b"NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", len(content)) + content + b"tb"
    )
    return b"\x80\x02}q\x00(" + short(b"labels") + labels_out + short(b"data") + numpy_array + b"u."


def assert_same(found: dict[str, Any], wanted: dict[Any, Any]) -> None:
    texts = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in wanted.items()}
    assert found.keys() == texts.keys()
    for key, value in texts.items():
        if isinstance(value, np.ndarray):
            assert found[key].dtype == np.uint8
            np.testing.assert_array_equal(found[key], value)
        else:
            assert found[key] == value
            assert type(found[key]) is type(value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_pickles_are_read(protocol: int, order: Any) -> None:
    batch = BATCH | {"more": np.array(ARRAY, order=order), "strided": ARRAY[:, ::2], "turned": ARRAY.reshape(5, 1, 3).T}
    assert_same(read_pickle("here", pickle.dumps(batch, protocol)), batch)


def test_the_pickles_of_python_2_are_read() -> None:
    content = written_by_python_2(ARRAY, [3, 1, 2])
    wanted = {"labels": [3, 1, 2], "data": ARRAY}
    assert_same(read_pickle("here", content), wanted)
    assert_same(pickle.loads(content, encoding="latin1"), wanted)  # it is a pickle to pickle as well


class Call:
    def __init__(self, *called: Any) -> None:
        self.called = called

    def __reduce__(self) -> Any:
        return self.called


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_ever_run(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "ran"
    trap = pickle.dumps({b"data": Call(open, (str(ran), "w"))}, protocol)
    with pytest.raises(InputError, match=r"^here is no pickle of plain data, byte \d+ asks for '\w*\.open'"):
        read_pickle("here", trap)
    assert not ran.exists()
    pickle.loads(trap)[b"data"].close()
    assert ran.exists()  # the trap would have worked


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(3, np.int64), "calls for something else"),
        (np.zeros(3, np.float32), "calls for something else"),
        (np.array([None]), "calls for something else"),
        (np.uint8(3), "asks for 'numpy"),
        (1.5, "has the opcode BINFLOAT"),
        ({1, 2}, "has the opcode EMPTY_SET"),
        (Path("/"), "asks for 'pathlib"),
        (Call(np.dtype, ("O8", False, True)), "calls for something else"),
        (Call(np.ndarray, ((2,),)), "calls for something else"),
    ],
)
def test_other_values_are_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"here is no pickle of plain data, byte \d+ {message}"):
        read_pickle("here", pickle.dumps({"a": value}, 4))


def test_the_byte_is_that_of_the_opcode() -> None:
    content = b"\x80\x02}" + short(b"key") + b"cos\nsystem\n" + short(b"true") + b"\x85Rs."
    with pytest.raises(InputError, match=rf"byte {content.index(b'cos')} asks for 'os.system'"):
        read_pickle("here", content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"not a pickle", "byte 0 "),
        (pickle.dumps([1, 2], 4), "needs dict, finds list"),
        (b"\x80\x02.", "needs dict, finds an empty stack"),
        (b"\x80\x02}K\x01s.", "needs 2 values, finds 1|needs dict"),
        (b"\x80\x02u.", "needs a mark, finds none"),
        (b"\x80\x02h\x07.", "recalls 7"),
        (b"\x80\x02}]K\x01s.", "plain key"),
        (b"\x80\x02}(K\x01u.", "needs pairs"),
        (b"\x80\x02}K\x01a.", "needs list, finds dict"),
        (b"\x80\x02K\x01K\x02R.", "needs tuple, finds int"),
    ],
)
def test_programs_that_make_no_sense_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_pickle("here", content)
    assert "\n" not in str(caught.value)


def test_an_array_must_have_as_many_bytes_as_its_shape() -> None:
    content = pickle.dumps({"a": np.zeros((3, 4), np.uint8)}, 4)
    wrong = content.replace(b"K\x03K\x04\x86", b"K\x03K\x05\x86")
    assert wrong != content
    with pytest.raises(InputError, match=r"has 12 bytes for an array of \(3, 5\)"):
        read_pickle("here", wrong)


def test_a_pickle_cut_anywhere_or_with_any_byte_changed_is_read_or_refused() -> None:
    generator = np.random.default_rng(3)
    for protocol in (2, 4, 5):
        whole = pickle.dumps({"data": ARRAY, b"labels": [1, 300]}, protocol)
        for length in range(len(whole)):
            with pytest.raises(InputError, match="here is no pickle"):
                read_pickle("here", whole[:length])
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] = generator.integers(256)
            try:
                assert isinstance(read_pickle("here", bytes(changed)), dict)
            except InputError as error:
                assert "\n" not in str(error)  # noqa: PT017
