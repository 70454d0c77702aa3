"""Foreign programs: whatever they do ends in a status, and nothing of it is seen outside."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from jaxfit.discover import inside, sandbox, walls

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no walls on this system")

PARTS = [
    sandbox.Part(np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0]), np.array([[4.0]])),
    sandbox.Part(np.array([[1.0], [2.0]]), np.array([5.0, 7.0]), np.array([[3.0], [4.0]])),
]
LINE = """
import numpy as np
def fit_scaling_law(x, y): return np.polyfit(x[:, 0], y, 1)
def scaling_law_func(x, p): return np.polyval(p, x[:, 0])
"""


def fitting(body):
    """A program that runs `body` where it is to fit, and then fits well."""
    lines = "\n    ".join(textwrap.dedent(body).strip().splitlines())
    return (
        f"import os, sys\n{LINE}\ndef fit_scaling_law(x, y):\n    {lines}\n    return np.ones(2)\n"
    )


def run(source, **limits):
    return sandbox.run(source, PARTS, **{"seconds": 30.0, "memory": 2.0, **limits})


def test_a_program_is_fitted_and_predicts_every_part():
    found = run(LINE)
    assert (found.status, found.message) == ("ok", "")
    np.testing.assert_allclose(found.params, [[1.0, 0.0], [2.0, 3.0]], atol=1e-12)
    np.testing.assert_allclose(found.predictions[0], [[4.0]])
    np.testing.assert_allclose(found.predictions[1], [[9.0], [11.0]])
    assert found.walls[-1] == "hook"
    assert found.seconds > 0


def test_several_targets_come_and_go_as_columns():
    parts = [sandbox.Part(np.eye(3), np.arange(6.0).reshape(3, 2), np.eye(3)[:2])]
    source = "def fit_scaling_law(x, y): return y.T\ndef scaling_law_func(x, p): return x @ p.T"
    found = sandbox.run(source, parts, seconds=30)
    assert found.params[0].shape == (2, 3)
    np.testing.assert_array_equal(found.predictions[0], [[0.0, 1.0], [2.0, 3.0]])


def test_scipy_works_behind_the_walls():
    found = run(
        fitting("""
        from scipy import integrate, interpolate, optimize, stats
        import dataclasses, datetime, logging, random, traceback, warnings
        f, b = lambda p: float(((x[:, 0] * p[0] - y) ** 2).sum() + p[1] ** 2), [(0, 3), (-1, 1)]
        optimize.differential_evolution(f, b, seed=1, maxiter=2)
        optimize.dual_annealing(f, b, maxiter=2, seed=1)
        optimize.basinhopping(f, [1, 1], niter=2)
        for method in ("Nelder-Mead", "Powell", "BFGS", "L-BFGS-B", "TNC", "SLSQP"):
            optimize.minimize(f, [1.0, 1.0], method=method)
        optimize.curve_fit(lambda t, a: a * t, x[:, 0], y)
        stats.qmc.Sobol(2, seed=0).random(4)
        integrate.quad(lambda t: t, 0, 1)
        interpolate.interp1d([1, 2], [1, 2])
        warnings.warn("all is well")
        print("rubbish", file=sys.stderr)
        """)
    )
    assert (found.status, found.message) == ("ok", "")


# What a program does, its status, and words of the line on it.
PROGRAMS = {
    "loops for ever": ("while True: pass", "timeout", "not done after"),
    "ignores being told to end": (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\ntime.sleep(1000)",
        "timeout",
        "not done after",
    ),
    "allocates a terabyte": ("np.ones(2 * 10**11)", "memory", "MemoryError"),
    "allocates bit by bit": ("b = []\nwhile True: b.append(bytearray(10**8))", "memory", "Memory"),
    "recurses for ever": ("def f(): f()\nf()", "failed", "RecursionError"),
    "exits": ("sys.exit(3)", "failed", "SystemExit: 3"),
    "exits at once": ("os._exit(0)", "failed", "without an answer (exit code 0)"),
    "crashes": ("os.abort()", "failed", "ended by signal"),
    "raises": ("1 / 0", "failed", "ZeroDivisionError: division by zero (line 8 of the program)"),
    "raises what is no Exception": ("raise KeyboardInterrupt", "failed", "KeyboardInterrupt"),
    "raises escapes": ("raise ValueError('a\\x1b[2J\\n\\nb')", "failed", "ValueError: a [2J b"),
    "raises a long text": ("raise ValueError('a' * 10**6)", "failed", "ValueError: aaaa"),
    "writes a file": ("open('x', 'w')", "refused", "opening 'x'"),
    "writes by number": ("os.open('x', os.O_CREAT | os.O_WRONLY)", "refused", "opening 'x'"),
    "writes an array": ("np.save('x', x)", "refused", "opening 'x.npy'"),
    "makes a folder": ("os.mkdir('x')", "refused", "os.mkdir"),
    "reads a file": ("open('/etc/passwd').read()", "refused", "opening '/etc/passwd'"),
    "reads around": ("open(np.__file__ + '/../../../../../etc/passwd')", "refused", "opening"),
    "reads by NumPy": ("np.fromfile('/etc/passwd', np.uint8)", "refused", "'/etc/passwd'"),
    "reads the processes": ("open(f'/proc/{os.getppid()}/environ')", "refused", "/proc/"),
    "lists": ("os.listdir('/')", "refused", "listing '/'"),
    "forks": ("os.fork()", "refused", "os.fork"),
    "runs a command": ("os.system('true')", "refused", "os.system"),
    "spawns": ("os.posix_spawn('/bin/true', ['true'], {})", "refused", "os.posix_spawn"),
    "executes": ("os.execv('/bin/true', ['true'])", "refused", "os.exec"),
    "connects": (
        "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        "refused",
        "socket",
    ),
    "loads a library": ("import ctypes\nctypes.CDLL(None)", "refused", "ctypes"),
    "starts processes": (
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        "refused",
        "",
    ),
    "runs a program": ("import subprocess\nsubprocess.run(['true'])", "refused", ""),
    "imports what is barred": ("import sqlite3", "refused", "importing sqlite3"),
    "imports what there is": ("import jax", "refused", "importing jax"),
    "hides a name": (
        "class S(str):\n    def __str__(self): return 'math'\n__import__(S('sqlite3'))",
        "refused",
        "importing",
    ),
    "kills its parent": ("os.kill(os.getppid(), 9)", "refused", "os.kill"),
    "kills its group": ("os.killpg(0, 9)", "refused", "os.killpg"),
    "looks for what is in memory": ("import gc\ngc.get_objects()", "refused", "gc.get_objects"),
    "hides what was refused": (
        "try: open('/etc/passwd')\nexcept OSError: raise ValueError('no')",
        "refused",
        "ValueError: no",
    ),
    "closes all": ("os.closerange(0, 256)", "failed", "without an answer"),
    "patches json": (
        "import json\njson.dumps = lambda *a, **k: 'rubbish'",
        "bad_output",
        "no answer",
    ),
    "patches what is built in": (
        "import builtins\nbuiltins.isinstance = builtins.open = None\nnp.asarray = None",
        "failed",
        "without an answer",
    ),
    "forges no status": (
        "for f in range(3, 64):\n    try: os.write(f, b'{\"status\": [1]}\\n')\n"
        "    except OSError: pass\nos._exit(0)",
        "bad_output",
        "no status",
    ),
    "forges too few": (
        "for f in range(3, 64):\n"
        '    try: os.write(f, b\'{"status": "ok", "params": [1], "predictions": [1]}\\n\')\n'
        "    except OSError: pass\nos._exit(0)",
        "bad_output",
        "1 groups were predicted, of 2",
    ),
    "forges what is no number": (
        "for f in range(3, 64):\n"
        '    try: os.write(f, b\'{"status": "ok", "params": {}, "predictions": [[], {}]}\\n\')\n'
        "    except OSError: pass\nos._exit(0)",
        "bad_output",
        "no arrays of numbers",
    ),
    "forges depths": (
        "for f in range(3, 64):\n    try: os.write(f, b'[' * 60000)\n"
        "    except OSError: pass\nos._exit(0)",
        "bad_output",
        "no answer",
    ),
    "answers without end": (
        "for f in range(3, 64):\n    try:\n        while True: os.write(f, b'1' * 60000)\n"
        "    except OSError: pass",
        "bad_output",
        "longer than",
    ),
    "returns nothing": ("return None", "failed", ""),
    "returns text": ("return 'abc'", "failed", ""),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_whatever_a_program_does_becomes_a_status(name):
    body, status, words = PROGRAMS[name]
    limit = 1.0 if status == "timeout" else 30.0
    began = time.monotonic()
    found = run(fitting(body), seconds=limit)
    assert time.monotonic() - began < limit + 5
    assert found.status == status in sandbox.STATUS
    assert words in found.message
    assert found.message.isprintable()
    assert len(found.message) <= 300
    assert found.predictions == ()


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("", "bad_output", "no function fit_scaling_law"),
        ("fit_scaling_law = scaling_law_func = 1", "bad_output", "no function fit_scaling_law"),
        ("def (", "failed", "SyntaxError"),
        ("a = 1\0", "failed", "null bytes"),
        (LINE + "def scaling_law_func(x, p): return [1.0]", "bad_output", "shape (1,)"),
        (LINE + "def scaling_law_func(x, p): return [[1], [1, 2]]", "bad_output", "no array of"),
        (LINE + "def scaling_law_func(x, p): return x[:, 0] * np.nan", "not_finite", "not finite"),
        (LINE + "def fit_scaling_law(x, y): return []", "bad_output", "shape (0,)"),
        (LINE + "def fit_scaling_law(x, y): return np.ones((2, 2, 2))", "bad_output", "shape"),
        ("import os\nos._exit(7)", "failed", "exit code 7"),
    ],
)
def test_what_is_no_program_or_no_answer_is_told(source, status, words):
    found = run(source)
    assert found.status == status
    assert words in found.message


def test_what_a_program_prints_and_does_to_its_rows_is_nobody_s_concern(capfd):
    found = run(fitting("print('x' * 10**6)\nos.write(1, b'y')\nos.write(2, b'z')\nx[:] = 0"))
    assert found.status == "ok"
    assert capfd.readouterr() == ("", "")


def test_nothing_of_this_process_is_told_to_a_program(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET", "told")
    told = "sorted(os.environ), os.getcwd(), sys.argv[0], sys.path"
    found = run(fitting(f"raise ValueError(repr(({told})))"))
    assert "SECRET" not in found.message
    assert str(Path.cwd()) not in found.message.replace(str(Path(inside.__file__).parent), "")
    names = run(fitting("raise ValueError(sorted(os.environ))")).message
    assert "PYTHONPATH" not in names
    assert "OMP_NUM_THREADS" in names


def processes(monkeypatch):
    """A list to which the ids of all processes are added that are started from now on."""
    started, popen = [], subprocess.Popen

    def noted(*args, **kwargs):
        process = popen(*args, **kwargs)
        started.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", noted)
    return started


def test_a_process_is_gone_when_its_time_is_over(monkeypatch):
    started = processes(monkeypatch)
    assert run(fitting("while True: pass"), seconds=1.0).status == "timeout"
    (pid,) = started
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


def is_running(pid):
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rsplit(")")[-1].split()[0] not in "ZX"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
@pytest.mark.parametrize("own", ["sleep", "exit"])
def test_children_go_with_a_process_that_no_wall_holds(monkeypatch, tmp_path, own):
    script, note = tmp_path / "inside.py", tmp_path / "pid"
    script.write_text(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\nif child:\n"
        f"    open({str(note)!r}, 'w').write(str(child))\n"
        + ("    os._exit(0)\n" if own == "exit" else "")
        + "time.sleep(1000)\n"
    )
    monkeypatch.setattr(sandbox, "_INSIDE", script)
    found = run(LINE, seconds=2.0 if own == "sleep" else 30.0)
    assert found.status == ("timeout" if own == "sleep" else "failed")
    deadline = time.monotonic() + 5
    while is_running(int(note.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(note.read_text()))


ATTEMPTS = {
    "seccomp": {
        "fork": "os.fork() or os._exit(0)",
        "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
        "execute": "os.execv('/bin/true', ['true'])",
        "signal": "os.kill(os.getppid(), 0)",
        "signal by handle": "os.pidfd_open(os.getppid())",
        "signal by descriptor": "fcntl.fcntl(0, 8, os.getppid())",
        "connect": "socket.socket()",
        "write": "open(folder + '/new', 'w')",
        "append": "open(folder + '/secret', 'a')",
        "truncate": "os.truncate(folder + '/secret', 0)",
        "make": "os.mkdir(folder + '/new')",
        "remove": "os.unlink(folder + '/secret')",
        "rename": "os.rename(folder + '/secret', folder + '/new')",
        "mode": "os.chmod(folder + '/secret', 0)",
        "limits": "resource.prlimit(0, resource.RLIMIT_NOFILE, (9, 9))",
        "memory file": "os.memfd_create('a')",
        "terminal": "fcntl.ioctl(0, 0x5412, b'a')",
        "trace": "libc(101, 0, 0, 0, 0)",
        "read another's memory": "libc(310, os.getppid(), 0, 0, 0, 0, 0)",
    },
    "landlock": {
        "read": "open(folder + '/secret')",
        "list": "os.listdir(folder)",
        "read packages": "open(package)",
        "read processes": "open('/proc/1/environ')",
        "read passwords": "open('/etc/passwd')",
        "write": "open(folder + '/new', 'w')",
        "append": "open(folder + '/secret', 'a')",
        "make": "os.mkdir(folder + '/new')",
        "link": "os.symlink('/', folder + '/new')",
        "remove": "os.unlink(folder + '/secret')",
    },
}
HARNESS = """
import ctypes, fcntl, importlib.util, os, pathlib, resource, socket, sys
spec = importlib.util.spec_from_file_location("walls", {walls!r})
walls = importlib.util.module_from_spec(spec)
spec.loader.exec_module(walls)
folder, raw = {folder!r}, ctypes.CDLL(None, use_errno=True)
def libc(*args):
    if raw.syscall(*args) < 0:
        raise OSError(ctypes.get_errno(), "refused")
walls._hook = lambda *_: lambda *_: None
# A file of the packages of a Python that is no virtual environment, if it has any.
packages = pathlib.Path(os.__file__).parent.glob("*-packages/**/*.*")
package = next((path for path in packages if path.is_file()), folder + "/secret")
setattr(walls, {other!r}, lambda *_: False)
print(*walls.put_up([os.path.dirname(os.__file__)], []), flush=True)
for name, code in {attempts!r}.items():
    try:
        eval(code)
    except PermissionError:
        continue
    except OSError as error:
        print("!", name, repr(error), flush=True)
        continue
    print("!", name, flush=True)
"""


def has(wall):
    """Whether the kernel itself says that it can put up the wall."""
    if sys.platform != "linux" or os.uname().machine not in walls._MACHINES:
        return False
    if wall == "seccomp":
        return "Seccomp:" in Path("/proc/self/status").read_text()
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) > 0


@pytest.mark.parametrize("wall", ATTEMPTS)
def test_each_wall_of_the_kernel_holds_by_itself(tmp_path, wall):
    if not has(wall):
        pytest.skip(f"this system has no {wall}")
    (tmp_path / "secret").write_text("secret")
    (other,) = {"seccomp", "landlock"} - {wall}
    source = HARNESS.format(
        walls=walls.__file__, folder=str(tmp_path), attempts=ATTEMPTS[wall], other=f"_{other}"
    )
    asked = subprocess.run(
        [sys.executable, "-I", "-c", source], capture_output=True, text=True, timeout=60
    )
    assert asked.returncode == 0, asked.stderr
    stand, *through = asked.stdout.splitlines()
    assert wall in stand.split()
    if os.uname().machine != "x86_64":
        through = [line for line in through if "trace" not in line and "another" not in line]
    assert through == []
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_limits_are_those_that_are_asked_for():
    source = (
        "import importlib.util, resource\n"
        f"spec = importlib.util.spec_from_file_location('walls', {walls.__file__!r})\n"
        "walls = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(walls)\n"
        "walls.limit(2.5, 10**9)\n"
        "for name in 'CPU AS FSIZE NOFILE NPROC CORE'.split():\n"
        "    print(*resource.getrlimit(getattr(resource, 'RLIMIT_' + name)))"
    )
    told = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True)
    memory = "1000000000" if sys.platform == "linux" else told.stdout.splitlines()[1].split()[0]
    wanted = ("4", memory, "0", "64", "0", "0")
    assert told.stdout.splitlines() == [f"{value} {value}" for value in wanted]


def test_the_files_of_a_program_never_come_to_be(tmp_path):
    target = tmp_path / "sentinel"
    found = run(
        fitting(
            "for write in (lambda p: open(p, 'w'), lambda p: np.save(p, x), os.mkdir, os.mkfifo,\n"
            "              lambda p: os.symlink('/', p), lambda p: os.system('touch ' + p)):\n"
            f"    try: write({str(target)!r})\n"
            "    except OSError: pass"
        )
    )
    assert found.status == "ok"
    assert not list(tmp_path.iterdir())


def test_the_hook_cannot_be_changed_through_its_traceback():
    found = run(
        fitting(
            "try: open('/etc/passwd')\n"
            "except OSError as error: frame = error.__traceback__.tb_next.tb_frame\n"
            "assert frame.f_code.co_name == 'hook'\n"
            "assert not frame.f_code.co_freevars\n"
            "ours = [v for v in frame.f_locals.values() if hasattr(v, '__code__')]\n"
            "assert not ours, ours\n"
            "frame.f_globals.update(dict.fromkeys(frame.f_globals))\n"
            "open('/etc/passwd')"
        )
    )
    assert (found.status, found.walls[-1]) == ("refused", "hook")
    assert "opening '/etc/passwd'" in found.message


def test_nothing_that_the_hook_holds_can_be_changed():
    found = run(
        fitting(
            "class Greedy:\n"
            "    def __eq__(self, other):\n"
            "        other['open'] = ('/',)\n"
            "        return True\n"
            "try: open('/etc/passwd')\n"
            "except OSError as error: held = error.__traceback__.tb_next.tb_frame.f_locals\n"
            "for value in [*held.values()]:\n"
            "    owner = getattr(value, '__self__', None)\n"
            "    assert owner is None, owner\n"
            "    for each in (value, owner):\n"
            "        try: each == Greedy()\n"
            "        except TypeError: pass\n"
            "        try: each['open'] = ('/',)\n"
            "        except TypeError: pass\n"
            "open('/etc/passwd')"
        )
    )
    assert found.status == "refused", found.message
    assert "opening '/etc/passwd'" in found.message


def test_a_process_is_not_reaped_before_its_group_is_killed(monkeypatch):
    kill, seen = os.killpg, []

    def noted(pid, number):
        seen.append(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT) is not None)
        kill(pid, number)

    monkeypatch.setattr(os, "killpg", noted)
    assert run(LINE).status == "ok"
    assert run(fitting("import os; os._exit(3)")).message.endswith("(exit code 3)")
    assert seen == [True, True]


def test_packages_in_a_folder_of_python_are_no_part_of_it(tmp_path):
    for name in ("site-packages", "dist-packages", "json", "os.py"):
        (tmp_path / name).mkdir()
    kept = walls._inside(str(tmp_path), walls._PACKAGES)
    assert kept == [f"{tmp_path}/json", f"{tmp_path}/os.py"]
    assert walls._inside(kept[0], walls._PACKAGES) == [kept[0]]
    assert walls._inside(f"{tmp_path}/none", ()) == [f"{tmp_path}/none"]


def test_a_program_has_one_thread():
    found = run(fitting("import threading\nthreading.Thread(target=print).start()"))
    # The hook is told of it from Python 3.12 on; before, the kernel alone says no.
    assert found.status in ("refused", "failed")
    assert "thread" in found.message


def test_an_answer_of_one_who_then_goes_on_is_none():
    forged = (
        "for f in range(3, 64):\n"
        '    try: os.write(f, b\'{"status": "ok", "params": [1, 1], '
        '"predictions": [[1], [1, 1]]}\\n\')\n'
        "    except OSError: pass\nwhile True: pass"
    )
    assert run(fitting(forged), seconds=1.0).status == "timeout"


def test_all_that_a_process_is_told_is_the_request():
    told = sandbox.request("source", PARTS, 1.0, 2.0)
    for part in PARTS:
        for values in (part.inputs, part.targets, part.heldout):
            assert str(values.tolist()).encode() in told


@pytest.mark.parametrize("limits", [{"seconds": 0.0}, {"memory": 0.1}, {"seconds": float("nan")}])
def test_limits_that_no_program_can_keep_are_refused(limits):
    with pytest.raises(ValueError, match=r"give seconds above 0, and 0\.5 GB"):
        run(LINE, **limits)


def test_the_least_memory_is_enough():
    assert run(LINE, memory=sandbox.LEAST_MEMORY).status == "ok"


def test_an_interrupt_ends_the_process(monkeypatch):
    started = processes(monkeypatch)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sandbox, "_listen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(fitting("while True: pass"))
    with pytest.raises(ProcessLookupError):
        os.killpg(started[0], signal.SIGKILL)
