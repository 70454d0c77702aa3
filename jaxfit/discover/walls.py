"""Walls: what a foreign program cannot do, once they stand, in the process that put them up.

Only the standard library is imported here, for the process that needs walls has no jaxfit.

The kernel's walls (Linux) are those that hold against a program that wants out: with NumPy alone
it can write anywhere in its own memory, and so undo what is done in Python. The hook stands inside
of them, says in words what was refused, and is all there is beside the limits on other systems.
"""

import ctypes
import errno
import math
import os
import platform
import resource
import struct
import sys

# Modules of the standard library that start processes, open connections or reach memory. Those
# that are loaded when the hook is set can be imported still, and what they do is refused.
_BARRED = """
    ctypes _ctypes subprocess _posixsubprocess _multiprocessing _posixshmem socket _socket ssl _ssl
    mmap fcntl resource pty termios readline sqlite3 _sqlite3 dbm _dbm _gdbm nis spwd crypt syslog
    curses _curses tkinter _tkinter _uuid faulthandler _testcapi _testinternalcapi
    _xxsubinterpreters _interpreters webbrowser venv ensurepip
"""
# Events of `sys.audit` that any program of numbers raises. All others are refused.
_HARMLESS = """
    compile exec code.__new__ function.__new__ marshal.loads marshal.load pickle.find_class
    object.__getattr__ object.__setattr__ object.__delattr__ sys._getframe sys._getframemodulename
    sys.excepthook sys.unraisablehook builtins.id array.__new__ time.sleep os.putenv os.unsetenv
"""
BARRED, HARMLESS = frozenset(_BARRED.split()), frozenset(_HARMLESS.split())
LISTING = ("os.listdir", "os.scandir")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Where shared libraries of extension modules are, beside those of the packages.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", f"{sys.base_prefix}/lib")
# Folders of packages within that of the standard library.
_PACKAGES = ("site-packages", "dist-packages")

# From linux/prctl.h, linux/sched.h, linux/landlock.h, linux/seccomp.h and linux/bpf_common.h.
_PDEATHSIG, _NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 1, 38, 22, 2
_NEW_USER_AND_NETWORK = 0x10000000 | 0x40000000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
# Calls that only compute, read what is open, and end: (x86-64, arm64), None where there is none.
# Numbers of linux/arch/x86/entry/syscalls/syscall_64.tbl and asm-generic/unistd.h.
_CALLS = (
    *((0, 63), (1, 64), (3, 57), (17, 67), (19, 65), (20, 66), (8, 62)),  # read write close seek
    *((4, None), (5, 80), (6, None), (21, None), (262, 79), (332, 291), (269, 48)),  # stat access
    *((439, 439), (89, None), (267, 78), (217, 61), (79, 17), (32, 23)),  # links, listing, dup
    *((9, 222), (10, 226), (11, 215), (12, 214), (25, 216), (28, 233)),  # memory
    *((13, 134), (14, 135), (15, 139), (131, 132)),  # own signal handlers
    *((202, 98), (273, 99), (334, 293), (324, 283), (219, 128), (24, 124), (204, 123)),  # futex
    *((228, 113), (229, 114), (230, 115), (35, 101), (96, 169), (201, None)),  # clocks
    *((98, 165), (99, 179), (100, 153), (63, 160), (318, 278)),  # usage, uname, random
    *((39, 172), (110, 173), (186, 178), (102, 174), (104, 176), (107, 175), (108, 177)),  # who
    *((7, None), (271, 73), (23, None), (270, 72)),  # waiting for what is open
    *((60, 93), (231, 94)),  # the end
)
_OPEN = ((2, None, 1), (257, 56, 2))  # and which argument has the flags
_FCNTL = (72, 25)
# Duplicate, and flags of a descriptor: with others, signals could be sent.
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


class NotImportable(ModuleNotFoundError):
    """A module that exists, perhaps, but not behind the walls."""


def limit(seconds: float, memory: int) -> None:
    """Limit the process: CPU seconds, bytes of address space, files, processes and threads."""
    cpu = math.ceil(seconds) + 1  # the clock is to be first
    wanted = {
        "CPU": cpu,
        "AS": memory,
        "FSIZE": 0,
        "NOFILE": 64,
        "NPROC": 0,
        "CORE": 0,
    }
    for name, value in wanted.items():
        which = getattr(resource, f"RLIMIT_{name}", None)
        if which is None:
            continue
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(which, (value, value))
        except (OSError, ValueError):
            # macOS has no limit of the address space.
            continue


def put_up(read: list[str], listed: list[str]) -> list[str]:
    """Put up all walls that this system has; there is no way back. Returns their names.

    read: folders to read files from, and to import from, without the packages that may be in them.
    listed: folders that may be listed too.
    """
    listed = [*read, *listed]
    read = [path for folder in read for path in _inside(folder, _PACKAGES)]
    stand = []
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PDEATHSIG, 9, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        for name, wall in (
            ("namespaces", lambda: libc.unshare(_NEW_USER_AND_NETWORK) == 0),
            ("landlock", lambda: _landlock(libc, read, listed)),
            ("seccomp", lambda: _seccomp(libc)),
        ):
            if wall():
                stand.append(name)
    sys.addaudithook(_hook(read, listed))
    return [*stand, "hook"]


def _inside(folder: str, without: tuple[str, ...]) -> list[str]:
    """The paths in a folder but for names that begin as given; the folder itself if none does."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    kept = [name for name in names if not name.startswith(without)]
    return [folder] if kept == names else [f"{folder}/{name}" for name in kept]


def _landlock(libc, read, listed) -> bool:
    """Nothing is written, and read only below the paths given, whatever the program becomes.

    Raises OSError where the system refuses a rule.
    """
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    # What each version of the interface can forbid: files, and from the fourth on TCP.
    known = 13 + min(max(version - 1, 0), 2) + (version >= 5)
    ruled = struct.pack("<QQ", (1 << known) - 1, 3)[: 16 if version >= 4 else 8]
    rules = libc.syscall(_CREATE_RULESET, ruled, ctypes.c_size_t(len(ruled)), 0)
    if rules < 0:
        return False
    allowed = dict.fromkeys(listed, _READ_DIR)
    # Python's own folders there hold packages; what is to be read of them is in `read`.
    libraries = [path for folder in LIBRARIES for path in _inside(folder, ("python",))]
    whole = (*read, *libraries, "/etc/ld.so.cache")
    allowed |= dict.fromkeys(whole, _READ_FILE | _READ_DIR)
    for path, rights in allowed.items():
        if not os.path.exists(path):
            continue
        rights = rights if os.path.isdir(path) else _READ_FILE
        handle = os.open(path, os.O_PATH)
        beneath = struct.pack("<Qi", rights, handle)
        added = libc.syscall(_ADD_RULE, rules, 1, beneath, 0) == 0
        os.close(handle)
        if not added:
            raise OSError(f"Landlock takes no rule for {path}: {os.strerror(ctypes.get_errno())}")
    done = libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return done


def _seccomp(libc) -> bool:
    """Only the calls above; what would start, signal, connect or write gets "not permitted"."""
    if platform.machine() not in _MACHINES:
        return False
    column, machine = _MACHINES[platform.machine()]
    rules = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, machine), (_RETURN, 0, 0, _REFUSE), (_LOAD, 0, 0, 0)]
    for *numbers, place in _OPEN:
        flags = [(_LOAD, 0, 0, 16 + 8 * place), (_ANY_BIT, 0, 1, WRITING)]
        rules += _call(numbers[column], [*flags, (_RETURN, 0, 0, _REFUSE)])
    # As many steps to the end, which allows, as there are commands still to be compared.
    compared = [(_EQUAL, len(_FCNTL_COMMANDS) - i, 0, k) for i, k in enumerate(_FCNTL_COMMANDS)]
    rules += _call(_FCNTL[column], [(_LOAD, 0, 0, 16 + 8), *compared, (_RETURN, 0, 0, _REFUSE)])
    for numbers in _CALLS:
        rules += _call(numbers[column], [])
    rules.append((_RETURN, 0, 0, _REFUSE))
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(rules), ctypes.addressof(code)))
    return libc.prctl(_SECCOMP, _FILTER, program, 0, 0) == 0


def _call(number, conditions):
    """Instructions that let the call pass under conditions, and go on for any other call."""
    if number is None:
        return []
    return [(_EQUAL, 0, len(conditions) + 1, number), *conditions, (_RETURN, 0, 0, _ALLOW)]


def _hook(read, listed):
    """A function for `sys.addaudithook`.

    All that it uses are defaults of its arguments, which cannot be changed: a program may replace
    what is in modules, and reaches through a traceback the frame of a call and what that holds, but
    no function that nothing refers to.
    """

    importable = frozenset(sys.stdlib_module_names) | {"numpy", "scipy"}
    to_open, to_list = _below(read), _below(listed)

    def hook(
        event,
        args,
        *,
        harmless=HARMLESS,
        barred=BARRED,
        known=importable,
        opened=to_open,
        listed=to_list,
        listing=LISTING,
        writing=WRITING,
        kind=type,
        text=str,
        number=int,
        begins=str.startswith,
        split=str.split,
        refuse=PermissionError,
        missing=NotImportable,
    ):
        if event in harmless:
            return
        if event == "import":
            # A subclass of str could tell the import one name and this function another.
            top = split(args[0], ".")[0] if kind(args[0]) is text else "what is no str"
            if top in barred or top not in known:
                raise missing(f"importing {top} is not allowed: NumPy, SciPy, and what computes")
        elif event == "open":
            path, flags = args[0], args[2]
            if kind(path) is number:
                return
            inside = kind(path) is text and begins(path + "/", opened)
            if flags & writing or not inside or ".." in split(path, "/"):
                raise refuse(f"opening {path!r} is not allowed")
        elif event in listing:
            path = args[0]
            inside = kind(path) is text and begins(path + "/", listed)
            if not inside or ".." in split(path, "/"):
                raise refuse(f"listing {path!r} is not allowed")
        else:
            raise refuse(f"{event} is not allowed")

    return hook


def _below(folders) -> tuple[str, ...]:
    """How paths begin that are in folders, or are one."""
    return tuple(f"{folder}/" for folder in folders)
