"""Sweeps lose nothing, and refuse what they must: kills, damage, full disks, other owners."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from small_sweeps import (
    CHUNK,
    GROUPS,
    csv_of_sweep,
    parts,
    runs,
    small_disk,
    swept,
    written,
)

import jaxfit
from jaxfit import Interval, cli
from jaxfit.sweeps import folder, plan, record

PARTS = GROUPS // CHUNK
ROOT = Path(__file__).parents[1]


class Stopped(Exception):
    """Raised by `until`."""


def until(count):
    """A progress that ends a sweep when so many groups are done."""

    def progress(done, total):
        if done >= count:
            raise Stopped

    return progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A table on disk, an undisturbed sweep of it, and one that was stopped after half."""
    place = tmp_path_factory.mktemp("whole")
    data = written(place / "runs.csv", runs())
    found = swept(data, place / "done")
    csv_of_sweep(found, place)
    with pytest.raises(Stopped):
        swept(data, place / "half", progress=until(GROUPS // 2))
    return place


@pytest.fixture
def done(whole, tmp_path):
    """A copy of the sweep that is done."""
    return shutil.copytree(whole / "done", tmp_path / "out")


@pytest.fixture
def half(whole, tmp_path):
    """A copy of the sweep that was stopped."""
    return shutil.copytree(whole / "half", tmp_path / "out")


def same(whole, found) -> bool:
    """Whether a sweep has the table of the undisturbed one, to the byte."""
    return csv_of_sweep(found, found.out.parent) == (whole / "written.csv").read_bytes()


def resumed(whole, out, **options):
    """The sweep in `out`, finished."""
    return swept(whole / "runs.csv", out, resume=True, **options)


def flip(path, position, bit=0):
    """Another bit in a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def python(*command, **options):
    """A process of this Python that finds the package and the tests."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# F80, F81: killed at any moment.


def killed(times, seed):
    process = python("-m", "tests.kill_sweep", "--times", times, "--seed", seed, cwd=ROOT)
    out, err = process.communicate()
    assert not process.returncode, err
    assert f"{times} kills, nothing lost" in out
    return out


def test_killed_sweeps_lose_nothing():
    killed(6, 3)


@pytest.mark.slow
def test_sweeps_killed_a_hundred_times_lose_nothing():
    out = killed(100, 0)
    for phase in ("starting", "reading", "fitting", "writing"):
        assert re.search(rf"\d+ {phase}", out), phase


def test_what_is_done_is_not_done_again(whole, half):
    before = parts(half)
    assert len(before) == PARTS // 2
    assert not jaxfit.open_sweep(half).complete
    found = resumed(whole, half)
    assert found.complete
    assert before.items() <= parts(half).items()
    assert same(whole, found)
    assert {path.name for path in half.iterdir()} == {"owner", "sweep.json", "groups", "parts"}


def test_half_written_files_go(whole, half):
    leftovers = [half / ".groups.abc.unfinished", half / "parts" / ".x.part.abc.unfinished"]
    mine = [half / ".env", half / "rows" / "notes.txt"]
    for path in (*leftovers, *mine):
        path.write_text("x")
    assert same(whole, resumed(whole, half))
    assert all(path.exists() for path in mine)
    assert not any(path.exists() for path in leftovers)


@pytest.mark.parametrize("name", ["notes.txt", ".git/config", "owner", "groups", "rows/my.rows"])
def test_a_folder_of_other_files_is_left_alone(whole, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(ValueError, match="holds other files, and no sweep; choose a folder"):
        swept(whole / "runs.csv", tmp_path)
    assert path.read_text() == "mine"
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]


# F82: damage.


@pytest.mark.parametrize("length", [0, 31, 32, 33, 500, -1])
def test_a_part_that_is_cut_off_is_done_again(whole, done, caplog, length):
    path, *others = sorted((done / "parts").iterdir())
    path.write_bytes(path.read_bytes()[:length])
    before = parts(done)
    with pytest.raises(ValueError, match=rf"{path.name} is damaged: .*; resume the sweep to do it"):
        jaxfit.open_sweep(done).columns()
    assert same(whole, resumed(whole, done))
    assert f"{path} is damaged: it is not what was written; it is done again." in caplog.text
    assert {p.name: parts(done)[p.name] for p in others} == {p.name: before[p.name] for p in others}


def test_a_bit_that_flips_in_a_part_is_never_read(whole, done):
    path, *_ = sorted((done / "parts").iterdir())
    content = path.read_bytes()
    rng = random.Random(0)
    for position in (0, 31, 32, len(content) - 1, *rng.sample(range(len(content)), 50)):
        flip(path, position, rng.randrange(8))
        with pytest.raises(record.Damaged, match="is not what was written"):
            record.read(path)
        path.write_bytes(content)
    flip(path, len(content) // 2)
    assert same(whole, resumed(whole, done))


@pytest.mark.parametrize("name", ["sweep.json", "groups"])
def test_a_bit_that_flips_in_what_is_said_of_the_parts_costs_none_of_them(
    whole, done, caplog, name
):
    path, rng, before = done / name, random.Random(1), parts(done)
    for position in (0, -1, *rng.sample(range(path.stat().st_size), 6)):
        caplog.clear()
        flip(path, position, rng.randrange(7))
        with pytest.raises(ValueError, match=rf"{name} is damaged: .*; resume the sweep to mend"):
            jaxfit.open_sweep(done)
        # Chunks of another size are asked for: those that are there go on.
        found = resumed(whole, done, chunk=5)
        assert f"{path} is damaged: " in caplog.text
        assert parts(done) == before
    assert same(whole, found)


def test_a_damaged_manifest_is_mended_by_resuming_only_and_still_refuses_others(whole, done):
    (done / "sweep.json").write_text("{")
    with pytest.raises(ValueError, match=r"sweep\.json is damaged: .*; resume the sweep to mend"):
        swept(whole / "runs.csv", done)
    with pytest.raises(ValueError, match="holds a sweep of another seed: 0, not 1"):
        resumed(whole, done, seed=1)
    assert same(whole, resumed(whole, done))


def test_where_manifest_and_groups_are_damaged_all_is_done_again(whole, done):
    before = parts(done)
    for name in ("sweep.json", "groups"):
        (done / name).write_bytes(b"")
    assert same(whole, resumed(whole, done, chunk=5))
    again = {name for name, file in parts(done).items() if before[name] != file}
    assert again == {f"000000-000{number}-00.part" for number in range(3)}


def test_groups_that_are_missing_are_read_again(whole, done):
    before = parts(done)
    (done / "groups").unlink()
    with pytest.raises(ValueError, match="groups is missing; resume"):
        jaxfit.open_sweep(done)
    assert same(whole, resumed(whole, done))
    assert parts(done) == before


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "gone"])
def test_rows_that_are_damaged_are_read_again(whole, half, caplog, damage):
    (path,) = (half / "rows").iterdir()
    content = path.read_bytes()
    before = parts(half)
    if damage == "flip":
        flip(path, len(content) // 3)
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-8] if damage == "cut" else content + content[-32:])
    assert same(whole, resumed(whole, half))
    wrong = "is gone" if damage == "gone" else "is damaged: it is not what was written"
    assert f"{path} {wrong}; the source is read" in caplog.text
    assert before.items() <= parts(half).items()


def test_a_sweep_of_a_newer_format_is_left_alone(whole, done):
    manifest = folder.read_manifest(done)
    folder.write_manifest(done, {**manifest, "format": 2})
    before = (done / "sweep.json").read_bytes()
    for resume in (False, True):
        with pytest.raises(ValueError, match="has format 2, and this jaxfit reads 1"):
            swept(whole / "runs.csv", done, resume=resume)
    with pytest.raises(ValueError, match="has format 2"):
        jaxfit.open_sweep(done)
    assert (done / "sweep.json").read_bytes() == before


# F84: disks that are full or read-only.


def error_of(data, out):
    """What stops a sweep; None for nothing."""
    try:
        swept(data, out, resume=True)
    except OSError as error:
        return error
    return None


def test_a_full_disk_costs_nothing_that_is_done(whole, tmp_path):
    told, before = set(), {}
    with small_disk(tmp_path / "disk", "256k") as disk:
        out, filler = disk / "out", disk / "filler"
        for free in range(0, 64, 2):
            filler.unlink(missing_ok=True)
            state = os.statvfs(disk)
            filler.write_bytes(b"x" * max(state.f_bavail - free, 0) * state.f_frsize)
            error = error_of(whole / "runs.csv", out)
            assert before.items() <= parts(out).items()
            before = parts(out)
            assert not list(out.rglob("*.unfinished"))
            if error is None:
                break
            assert error.errno == 28
            said = re.search(r"Cannot write \d+ bytes to \S+/(\S+): No space left", str(error))
            assert said, error
            told.add(said[1])
        filler.unlink()
        assert same(whole, jaxfit.open_sweep(out))
    assert len(told) > 2, told
    assert any(name.endswith(".part") for name in told), told


def test_a_sweep_goes_on_elsewhere(whole, half, tmp_path):
    moved = Path(shutil.move(half, tmp_path / "moved"))
    before = parts(moved)
    assert same(whole, resumed(whole, moved))
    assert before.items() <= parts(moved).items()


def test_a_full_disk_is_told_by_the_command(whole, tmp_path, capsys):
    with small_disk(tmp_path / "disk", "8k") as disk:
        (disk / "filler").write_bytes(b"x" * 4096)
        assert cli.main(command(whole / "runs.csv", disk / "out")) == 1
    assert re.search(r"jaxfit: Cannot write \d+ bytes to \S+: No space", capsys.readouterr().err)


def test_a_read_only_folder_is_told_and_can_be_read(whole, tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        out = Path(shutil.copytree(whole / "done", disk / "out"))
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        try:
            assert jaxfit.open_sweep(out).columns()["status"].count("ok") == GROUPS
            for place in (out, disk / "new"):
                with pytest.raises(OSError, match=rf"Cannot write to {place}: Read-only file sys"):
                    swept(whole / "runs.csv", place, resume=True)
        finally:
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


def test_a_folder_that_is_a_file_is_told(whole, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=rf"Cannot write to {out}: "):
            swept(whole / "runs.csv", out)
    assert (tmp_path / "file").read_text() == "mine"


# F85: two processes.

HOLD = """
import os, sys, time
from pathlib import Path
from jaxfit.sweeps.folder import owned
with owned(Path(sys.argv[1])):
    if len(sys.argv) > 2 and not os.fork():
        time.sleep(60)
    print("held", flush=True)
    if len(sys.argv) <= 2:
        time.sleep(60)
with owned(Path(sys.argv[1])):
    print("free", flush=True)
os.kill(0, 9)
"""


def test_a_folder_in_use_is_refused_with_its_owner_until_that_is_killed(whole, half):
    with python("-c", HOLD, half) as process:
        assert process.stdout.readline() == "held\n"
        before = parts(half)
        said = rf"{half} is in use by process {process.pid} on "
        for resume in (False, True):
            with pytest.raises(BlockingIOError, match=said):
                swept(whole / "runs.csv", half, resume=resume)
        assert parts(half) == before
        assert not jaxfit.open_sweep(half).complete
        process.kill()
    assert same(whole, resumed(whole, half))


def test_a_process_that_was_forked_meanwhile_does_not_keep_the_folder(tmp_path):
    with python("-c", HOLD, tmp_path / "out", "fork", start_new_session=True) as process:
        assert process.stdout.readline() == "held\n"
        assert process.stdout.readline() == "free\n", process.stderr.read()


def test_two_threads_do_not_share_a_folder(whole, tmp_path):
    out, told = tmp_path / "out", []

    def also(done, total):
        if not told:
            with pytest.raises(BlockingIOError, match=f"in use by process {os.getpid()} on") as it:
                swept(whole / "runs.csv", out, resume=True)
            told.append(it)

    thread = threading.Thread(target=lambda: swept(whole / "runs.csv", out, progress=also))
    thread.start()
    thread.join()
    assert told
    assert same(whole, jaxfit.open_sweep(out))


# What another sweep is.


def spoiled(**columns):
    return {**runs(), **columns}


def test_other_data_are_refused_in_the_same_folder(whole, half, tmp_path):
    table, before = runs(), parts(half)
    nudged = [*table["y"][:-1], table["y"][-1] * (1 + 2**-52)]
    renamed = ["k99" if key == "k5" else key for key in table["group"]]
    backwards = {name: column[::-1] for name, column in table.items()}
    fewer = {name: column[:-1] for name, column in table.items()}
    for other in (spoiled(y=nudged), spoiled(group=renamed), backwards, fewer):
        data = written(tmp_path / "other.csv", other)
        for source in (data, other):
            with pytest.raises(ValueError, match=rf"{half} holds a sweep of other data; choose"):
                swept(source, half, resume=True)
    assert parts(half) == before
    assert same(whole, resumed(whole, half))


def test_the_same_numbers_from_elsewhere_are_the_same_data(whole, half, tmp_path):
    table, before = runs(), parts(half)
    with pytest.raises(Stopped):
        swept(table, half, resume=True, progress=until(9))
    assert before.items() <= parts(half).items()
    other = written(tmp_path / "other.csv", spoiled(z=[0] * len(table["z"])))
    assert same(whole, swept(other, half, resume=True))
    assert before.items() <= parts(half).items()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"law": "pure_power"}, "law 0: power_law(x; c, a, gamma) "),
        ({"law": "c + a * x**-gamma"}, "law 0: power_law(x; c, a, gamma) "),
        ({"law": ["power_law", "pure_power"]}, "law 1: none, not pure_power("),
        ({"starts": 9}, "starts: 8, not 9."),
        ({"seed": 1}, "seed: 0, not 1."),
        ({"loss": "log-mse"}, "loss: MSE(), not LogMSE()."),
        ({"loss": jaxfit.Huber(0.1)}, "loss: MSE(), not Huber("),
        ({"target": "z"}, "target: 'y', not 'z'."),
        ({"by": ["group", "z"]}, "by: ['group'], not ['group', 'z']."),
        ({"by": None}, "by: ['group'], not []."),
        ({"inputs": {"x": "z"}}, 'inputs: {}, not {"x": "\'z\'"}.'),
        ({"bounds": {"gamma": (0.1, 1.0)}}, 'bounds: None, not {"gamma": "[0.1, 1.0]"}.'),
        ({"fixed": {"c": 2.0}}, 'fixed: None, not {"c": "2.0"}.'),
        ({"tied": {"c": "a"}}, 'tied: None, not {"c": "\'a\'"}.'),
        ({"priors": {"c": jaxfit.Ridge(1.0)}}, 'priors: None, not {"c": "Ridge('),
        ({"weights": "z"}, "weights: None, not 'z'."),
        ({"nan": "mask"}, "nan: 'raise', not 'mask'."),
        ({"pipeline": "lm"}, "pipeline: 'varpro', not 'lm'."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_question_is_refused_in_the_same_folder(whole, half, options, what):
    before = {path: path.read_bytes() for path in half.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="holds a sweep of another") as caught:
        resumed(whole, half, **options)
    assert str(caught.value).startswith(f"{half} holds a sweep of another {what}")
    assert "Choose another folder, or ask as it was asked." in str(caught.value)
    after = {path: path.read_bytes() for path in half.rglob("*") if path.is_file()}
    assert {**after, half / "owner": b""} == {**before, half / "owner": b""}


def test_laws_of_one_name_are_told_apart(tmp_path):
    def of(power):
        @jaxfit.law(linear=("c", "a"), c=Interval(0.0, 9.0), a=Interval(0.0, 9.0))
        def mine(x, *, c, a):
            return c + a * x**-power

        return mine

    data = written(tmp_path / "runs.csv", runs(3))
    for power, error, said in (
        (0.5, Stopped, None),
        (0.25, ValueError, "holds a sweep of another law 0: mine"),
        (0.5, Stopped, None),
    ):
        with pytest.raises(error, match=said):
            swept(data, tmp_path / "out", of(power), resume=True, progress=until(1))


def test_other_versions_are_refused_and_an_update_of_the_system_is_not(whole, half, monkeypatch):
    manifest = folder.read_manifest(half)
    told = {**manifest["asked"], "version of jax": "0.1"}
    folder.write_manifest(half, {**manifest, "asked": told})
    with pytest.raises(ValueError, match=r"another version of jax: 0\.1, not \d"):
        resumed(whole, half)
    folder.write_manifest(half, {n: v for n, v in manifest.items() if n != "format"})
    before = parts(half)
    monkeypatch.setattr("platform.platform", lambda *_: "Linux-99")
    resumed(whole, half)
    assert before.items() <= parts(half).items()


def test_a_folder_that_holds_a_sweep_is_refused_unless_resumed(whole, done):
    with pytest.raises(FileExistsError, match=rf"{done} holds a sweep already; resume it with"):
        swept(whole / "runs.csv", done)


def test_a_mistake_that_is_found_while_rows_are_read_leaves_the_folder_free(whole, tmp_path):
    out, table = tmp_path / "out", runs()
    broken = written(tmp_path / "broken.csv", spoiled(y=[*table["y"][:-1], "kg"]))
    for data, options in ((whole / "runs.csv", {"target": "w"}), (broken, {})):
        with pytest.raises(ValueError, match=r"`[wy]`"):
            swept(data, out, **options)
    with pytest.raises(ValueError, match="holds no sweep"):
        jaxfit.open_sweep(out)
    assert same(whole, swept(whole / "runs.csv", out))


# F86: Ctrl-C.


def command(data, out, *more):
    return [
        *("sweep", str(data), "--law", "power_law", "--target", "y", "--by", "group"),
        *("--starts", "8", "--pipeline", "varpro", "--chunk", str(CHUNK), "--out", str(out)),
        *("--no-cache", *more),
    ]


def test_the_command_stops_at_the_end_of_a_chunk(tmp_path):
    data, out = written(tmp_path / "runs.csv", runs(300)), tmp_path / "out"
    with python("-m", "jaxfit", *command(data, out, "--table", tmp_path / "t.csv")) as process:
        while not parts(out) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130, said
    assert "Stopping at the end of this chunk; press Ctrl-C again to stop at once." in said
    assert re.search(r"stopped with \d+ of 300 fits done; resume=True \(--resume\) goes on", said)
    assert "Traceback" not in said
    assert not (tmp_path / "t.csv").exists()
    assert not list(out.rglob("*.unfinished"))
    stopped = jaxfit.open_sweep(out)
    assert not stopped.complete
    assert "incomplete: resume to finish" in str(stopped)
    before = parts(out)
    assert 0 < len(before) < 100
    found = swept(data, out, resume=True)
    assert found.complete
    assert before.items() <= parts(out).items()
    calm = swept(data, tmp_path / "calm", chunk=100)
    assert csv_of_sweep(found, tmp_path) == csv_of_sweep(calm, tmp_path / "calm")


def interrupt(*at):
    """A progress that presses Ctrl-C when so many groups are done."""
    return lambda done, total: os.kill(os.getpid(), signal.SIGINT) if done in at else None


def test_a_sweep_that_is_interrupted_finishes_its_chunk_and_no_more(whole, tmp_path, caplog):
    out, before = tmp_path / "out", signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped with 6 of 12 fits done"):
        swept(whole / "runs.csv", out, progress=interrupt(6))
    assert "Stopping at the end of this chunk" in caplog.text
    assert signal.getsignal(signal.SIGINT) is before
    assert len(parts(out)) == 2
    stopped = jaxfit.open_sweep(out)
    assert not stopped.complete
    assert len(csv_of_sweep(stopped, tmp_path).splitlines()) == 1 + 6
    assert "written.csv lacks the groups that are not done yet" in caplog.text
    assert same(whole, resumed(whole, out))


def test_an_interruption_at_the_very_end_is_too_late(whole, tmp_path):
    assert swept(whole / "runs.csv", tmp_path / "out", progress=interrupt(GROUPS)).complete


def test_a_second_interruption_stops_at_once(whole, tmp_path):
    def twice(done, total):
        if done == CHUNK:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        swept(whole / "runs.csv", tmp_path / "out", progress=twice)
    assert same(whole, resumed(whole, tmp_path / "out"))


# F87: results that exist.


def test_a_table_that_exists_is_replaced_only_on_request(whole, done, tmp_path, capsys):
    found = jaxfit.open_sweep(done)
    for name in ("t.csv", "t.parquet"):
        path = tmp_path / name
        path.write_text("mine")
        with pytest.raises(FileExistsError, match=r"exists already; .* pass overwrite=True"):
            found.write(path)
        assert path.read_text() == "mine"
        again = command(whole / "runs.csv", tmp_path / "new", "--table", str(path))
        assert cli.main(again) == 1
        assert "exists already" in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
        assert found.write(path, overwrite=True) == path
    assert (tmp_path / "t.csv").read_bytes() == (whole / "written.csv").read_bytes()
    over = command(whole / "runs.csv", done, "--resume", "--table", tmp_path / "t.csv")
    assert cli.main([*map(str, over), "--overwrite"]) == 0
    with pytest.raises(ValueError, match=r"give a name that ends in \.csv or \.parquet"):
        found.write(tmp_path / "t.txt")


# Rows that come in other pieces.


def test_shards_that_had_other_memory_make_the_same_table(whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    for index, rows in enumerate((3 * 8, 10**6, 2 * 8)):
        monkeypatch.setattr(plan, "MOST_ROWS", rows)
        assert (
            swept(whole / "runs.csv", out, shard=(index, 3), chunk=1 + index).complete == index // 2
        )
    assert same(whole, jaxfit.open_sweep(out))


def test_shards_of_different_sweeps_are_refused_before_they_work(whole, tmp_path):
    out = tmp_path / "out"
    swept(whole / "runs.csv", out, shard=(0, 2))
    for options, what in (
        ({"seed": 1}, "seed: 0, not 1"),
        ({"shard": (1, 3)}, "number of shards: 2, not 3"),
        ({"shard": (0, 1)}, "number of shards: 2, not 1"),
    ):
        with pytest.raises(ValueError, match=f"holds a sweep of another {what}"):
            swept(whole / "runs.csv", out, **{"shard": (1, 2), **options})
    assert same(whole, swept(whole / "runs.csv", out, shard=(1, 2)))


def test_tables_that_come_in_other_pieces_make_the_same_table(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "MOST_ROWS", 30)
    table, out = runs(), tmp_path / "out"
    order = sorted(range(len(table["z"])), key=table["z"].__getitem__)
    table = {name: [column[i] for i in order] for name, column in table.items()}

    def pieces(size):
        for begin in range(0, len(table["x"]), size):
            yield {name: column[begin : begin + size] for name, column in table.items()}

    with pytest.raises(Stopped):
        swept(pieces(5), out, progress=until(6))
    before = parts(out)
    assert before
    found = swept(pieces(40), out, resume=True)
    assert before.items() <= parts(out).items()
    assert same(whole, found)
