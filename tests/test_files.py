"""Files that are written whole or not at all."""

import pytest

from jaxfit import files


def test_a_file_is_whole_or_the_old_one_and_nothing_else_is_left(tmp_path, monkeypatch):
    path = tmp_path / "t.bin"
    files.write_whole(path, b"old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    class Full:
        write = full

        def __init__(self, handle, _):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *_):
            files.os.close(self.handle)

    for name, fault in (
        ("os.fsync", full),
        ("os.fdopen", Full),
        ("os.replace", full),
        ("os.chmod", full),
        ("tempfile.mkstemp", full),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"jaxfit.files.{name}", fault)
            with pytest.raises(
                OSError, match=r"Cannot write 3 bytes to .*: No space left"
            ) as caught:
                files.write_whole(path, b"new")
        assert str(path) in str(caught.value)
        assert caught.value.errno == 28
        assert [p.name for p in tmp_path.iterdir()] == ["t.bin"], name
        assert path.read_bytes() == b"old", name


def test_the_folder_is_written_after_the_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = files.os.fsync, files.os.replace
    monkeypatch.setattr(files.os, "fsync", lambda handle: (done.append("fsync"), fsync(handle)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (done.append("name"), replace(a, b)))
    files.write_whole(tmp_path / "t.bin", b"new")
    assert done == ["fsync", "name", "fsync"]
    assert (tmp_path / "t.bin").read_bytes() == b"new"


@pytest.mark.parametrize(("number", "said"), [(22, None), (5, "Cannot write 3 bytes to .*: why")])
def test_a_folder_that_cannot_be_written_is_told_but_where_none_ever_is(
    tmp_path, monkeypatch, number, said
):
    path, fsync, count = tmp_path / "t.bin", files.os.fsync, iter(range(2))

    def second(handle):
        if next(count):
            raise OSError(number, "why")
        fsync(handle)

    monkeypatch.setattr(files.os, "fsync", second)
    if said:
        with pytest.raises(OSError, match=said):
            files.write_whole(path, b"new")
    else:
        files.write_whole(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["t.bin"]
