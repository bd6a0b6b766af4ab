"""Build the extensions; everything else about the package is in pyproject.toml.

`ctxmem._native` (pybind11) is compiled from csrc/core and csrc/bind; csrc/kernels/level.cpp is
compiled once per CPU level into extra objects, and csrc/kernels/dispatch.cpp picks one at run time.
`ctxmem._pages` (Cython) is generated into build/cython, so no generated C++ is in the tree.
`ctxmem._testing`, for tests and benchmarks, is linked with the objects of `_native`; it is built in
place only (`pip install -e .`, `build_ext --inplace`), so no wheel has it.

The flags follow the compiler and what it compiles for, never the machine that it runs on.
"""

import os
import shutil
import subprocess
from glob import glob
from multiprocessing.pool import ThreadPool

from Cython.Build import cythonize
from pybind11.setup_helpers import Pybind11Extension, build_ext
from setuptools import Extension, setup
from setuptools.errors import CompileError, PlatformError
from setuptools.modified import newer_group

JOBS = int(os.environ.get("CTXMEM_BUILD_JOBS") or min(os.cpu_count() or 1, 4))
HEADERS = glob("csrc/**/*.hpp", recursive=True)
BASE = os.environ.get("CTXMEM_BUILD_BASE") or "x86-64-v2"  # of x86-64, but for MSVC
NO_COMPILER = """no C++ compiler was found ({problem}).
ctxmem is compiled from C++20: gcc 12, clang 15, Visual Studio 2022 or later. Install one:
  Debian, Ubuntu   apt install g++ python3-dev
  Fedora, RHEL     dnf install gcc-c++ python3-devel
  Alpine           apk add g++ python3-dev
  macOS            xcode-select --install
  Windows          https://visualstudio.microsoft.com/visual-cpp-build-tools/
or install a wheel, which needs no compiler: pip install ctxmem-VERSION-PYTHON-PLATFORM.whl
(PyPI's package `ctxmem` is another project.)"""
TOO_OLD = """{problem}
If the compiler does not know C++20, use gcc 12, clang 15, Visual Studio 2022 or later
(CC and CXX name the compiler)."""

# Half of a binding's time is pybind11's headers, so they share them, in as many files as keep two
# cores busy. (No two of a group may give one name to different things.)
BINDINGS = [
    ["texts", "native", "native_words", "native_outline", "native_selection", "native_value"],
    [f"native_{name}" for name in ("tokens", "dedup", "difference", "ledger", "recall", "solver")]
    + ["json"],
]
TESTING = ["texts", "json", "testing", "testing_stages"]
# A third of the time of a source of the core is the standard library's headers, so gcc reads them
# once. (Not under ccache, which would keep nothing that was compiled so.)
STANDARD_HEADERS = """algorithm array bit cmath cstdint cstring limits memory numeric optional span
stdexcept string string_view unordered_map utility vector chrono functional""".split()
NEW = {os.path.basename(path)[:-4] for path in glob("csrc/bind/*.cpp")}.difference(
    *BINDINGS, TESTING
)
BINDINGS += [[name] for name in sorted(NEW)]


class Flags:
    """The flags of each kind of source, for one compiler and its target."""

    def __init__(self, compiler, platform):
        """Ask the compiler what it compiles for; `platform` is what the extension is for."""
        if compiler.compiler_type == "msvc":
            # MSVC takes SSE2 as the base of x86-64, and contracts nothing.
            x86 = platform == "win-amd64"
            self.standard = ["/std:c++20", "/utf-8", "/EHsc"]
            self.optimise, self.binding, self.base = ["/O2"], [], []
            self.levels = {"base": []}
            if x86:
                self.levels |= {"v3": ["/arch:AVX2"], "v4": ["/arch:AVX512"]}
            return
        target = subprocess.run(
            [*compiler.compiler_cxx, "-dumpmachine"], capture_output=True, text=True, check=False
        ).stdout
        # One object of macOS may be for two architectures, so it has no levels.
        x86 = target.startswith("x86_64") and not platform.startswith(("macosx", "linux-i"))
        self.standard = ["-std=c++20", "-fvisibility=hidden"]
        # -O3 is ours to set: at -O2 gcc 12 leaves the kernels scalar, which costs 2-10x. Without
        # contraction a product and a sum are rounded alike on every machine.
        self.optimise = ["-O3", "-g0", "-fno-math-errno", "-ffp-contract=off"]
        # Bindings have no loops of their own, and are half of the time of a build at -O2.
        self.binding = ["-O1"]
        self.base = [f"-march={BASE}"] if x86 else []
        self.levels = {"base": self.base}
        if x86:
            self.levels |= {
                "v3": ["-march=x86-64-v3"],
                "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
            }


native = Pybind11Extension(
    "ctxmem._native",
    [],
    include_dirs=["csrc"],
    cxx_std=20,
    depends=[*HEADERS, *sorted(glob("csrc/**/*.cpp", recursive=True))],
)
testing = Pybind11Extension(
    "ctxmem._testing", [], include_dirs=["csrc"], cxx_std=20, depends=native.depends
)
pages = Extension(
    "ctxmem._pages",
    ["csrc/bind/pages.pyx"],
    include_dirs=["csrc"],
    language="c++",
    depends=HEADERS,
)


class BuildNative(build_ext):
    """Compile every object of the native extensions side by side, the longest first, then link."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or 2  # the two extensions of a wheel
        if not (self.inplace or self.editable_mode):
            self.extensions = [ext for ext in self.extensions if ext is not testing]

    def build_extensions(self):
        """Build all, or say what to install."""
        if not getattr(self.compiler, "initialized", True):
            try:
                self.compiler.initialize()  # MSVC's, which threads would do at once
            except PlatformError as problem:
                raise PlatformError(NO_COMPILER.format(problem=problem)) from problem
        command = getattr(self.compiler, "compiler_cxx", None)
        if command and not shutil.which(command[0]):
            raise PlatformError(NO_COMPILER.format(problem=f"{command[0]} is not on the PATH"))
        self.flags = Flags(self.compiler, self.plat_name)
        wanted = self.extensions
        self.natives = [ext for ext in (native, testing) if ext in wanted]
        try:
            self.extensions = [native, *(ext for ext in wanted if ext not in self.natives)]
            super().build_extensions()
            # `testing` is linked from objects that were compiled with those of `native`.
            self.extensions = self.natives[1:]
            super().build_extensions()
        except CompileError as problem:
            raise CompileError(TOO_OLD.format(problem=problem)) from problem
        finally:
            self.extensions = wanted

    def build_extension(self, ext):
        ext.extra_compile_args = [*self.flags.optimise, *self.flags.standard]
        if ext is native and any(self.outdated(one) for one in self.natives):
            self.compile_natives()
        super().build_extension(ext)

    def outdated(self, ext):
        return self.force or newer_group(ext.depends, self.get_ext_fullpath(ext.name))

    def compile_natives(self):
        """Compile each source of `native` and `testing` once, and give both their objects."""
        flags = self.flags
        native.define_macros = [
            ("CTXMEM_VERSION", f'"{self.distribution.get_version()}"'),
            *((f"CTXMEM_HAS_{level.upper()}", "1") for level in flags.levels),
            *([("CTXMEM_BASE_V2", "1")] if flags.base == ["-march=x86-64-v2"] else []),
        ]
        self.mkpath(self.build_temp)
        with ThreadPool(JOBS) as pool:
            bindings = [
                [pool.apply_async(self.compile_one, one) for one in self.bindings(groups)]
                for _, groups in zip(self.natives, (BINDINGS, [TESTING]), strict=False)
            ]
            self.core_flags = self.precompiled([*flags.standard, *flags.optimise, *flags.base])
            core = [pool.apply_async(self.compile_one, one) for one in self.core()]
            # Of an inline function that several objects have the linker takes the first, so
            # those that are optimised least come last.
            for ext, jobs in zip(self.natives, bindings, strict=True):
                ext.extra_objects = [job.get() for job in [*core, *jobs]]

    def bindings(self, groups):
        """Return the bindings to compile: paths, folders of objects and flags."""
        # The base level is checked when the module is imported, so what runs until then, the
        # bindings and the dispatcher, is compiled for any machine.
        flags = [*self.flags.standard, *self.flags.optimise, *self.flags.binding]
        return [(self.joined(names), "", flags) for names in groups]

    def core(self):
        """Return the other sources in the same form, the longest first."""
        paths = sorted(glob("csrc/core/*/*.cpp"), key=os.path.getsize, reverse=True)
        common = [*self.flags.standard, *self.flags.optimise]
        return [
            *((path, "", self.core_flags) for path in paths),
            ("csrc/kernels/dispatch.cpp", "", common),
            *(
                ("csrc/kernels/level.cpp", level, [*common, *extra])
                for level, extra in self.flags.levels.items()
            ),
        ]

    def precompiled(self, flags):
        """Return the flags, with the standard headers compiled once if the compiler is gcc."""
        command = getattr(self.compiler, "compiler_so_cxx", None)
        if not command or "ccache" in (shutil.which(command[0]) or command[0]):
            return flags
        asked = [*self.compiler.compiler_cxx, "--version"]
        version = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        if "Free Software Foundation" not in version:
            return flags
        header = os.path.abspath(f"{self.build_temp}/standard_headers.hpp")
        with open(header, "w", encoding="utf-8") as out:
            out.writelines(f"#include <{name}>\n" for name in STANDARD_HEADERS)
        made = [*command, *flags, "-x", "c++-header", header, "-o", f"{header}.gch"]
        # What a compiler says of its flags is said again by the first source.
        done = subprocess.run(made, capture_output=True, check=False)
        return flags if done.returncode else [*flags, "-include", header]

    def joined(self, names):
        """Write a file that includes the bindings with these names; return its path."""
        path = f"{self.build_temp}/bindings_{names[-1]}.cpp"
        with open(path, "w", encoding="utf-8") as out:
            out.writelines(f'#include "bind/{name}.cpp"\n' for name in names)
        return path

    def compile_one(self, path, folder, flags):
        """Compile one file into a folder of its own below the objects; return the object."""
        level = [("CTXMEM_LEVEL", folder)] if folder else []
        return self.compiler.compile(
            [path],
            output_dir=os.path.join(self.build_temp, folder),
            include_dirs=native.include_dirs,
            macros=[*native.define_macros, *level],
            extra_postargs=flags,
        )[0]


setup(
    ext_modules=[
        native,
        testing,
        *cythonize(
            [pages],
            build_dir="build/cython",
            compiler_directives={"language_level": 3},
        ),
    ],
    cmdclass={"build_ext": BuildNative},
)
