"""Build the two extensions; everything else about the package is in pyproject.toml.

`ctxmem._native` (pybind11) is compiled from csrc/core and csrc/bind; csrc/kernels/level.cpp is
compiled once per CPU level into extra objects, and csrc/kernels/dispatch.cpp picks one at run time.
`ctxmem._pages` (Cython) is generated into build/cython, so no generated C++ stands in the tree.
"""

import os
import platform
import sys
from glob import glob
from multiprocessing.pool import ThreadPool

from Cython.Build import cythonize
from pybind11.setup_helpers import Pybind11Extension, build_ext
from setuptools import Extension, setup
from setuptools.modified import newer_group

WINDOWS = sys.platform == "win32"
X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.platform != "darwin"

# -O3 is ours to set: at -O2 gcc 12 leaves the kernels scalar, which costs 2-10x.
OPTIMISE = ["/O2"] if WINDOWS else ["-O3", "-g0", "-fno-math-errno"]
BINDING = [] if WINDOWS else ["-O2"]  # no loops of their own
STANDARD = "/std:c++20" if WINDOWS else "-std=c++20"
BASE = ["-march=x86-64-v2"] if X86 and not WINDOWS else []
JOBS = int(os.environ.get("CTXMEM_BUILD_JOBS") or min(os.cpu_count() or 1, 4))
LEVELS = {"base": BASE}
if X86:
    LEVELS["v3"] = ["/arch:AVX2"] if WINDOWS else ["-march=x86-64-v3"]
    LEVELS["v4"] = (
        ["/arch:AVX512"] if WINDOWS else ["-march=x86-64-v4", "-mprefer-vector-width=512"]
    )
HEADERS = glob("csrc/**/*.hpp", recursive=True)

# Half of a binding's time is pybind11's headers, so they share them: some to a file, as many files
# as keep the cores busy. (No two of a group may give one name to different things.)
BINDINGS = [
    ["native", "words", "outline", "selection", "value", "solver"],
    ["tokens", "split", "normalise", "models"],
    ["dedup", "difference", "ledger", "recall"],
]
NEW = {os.path.basename(path)[7:-4] for path in glob("csrc/bind/native_*.cpp")}.difference(
    *BINDINGS
)
BINDINGS += [[name] for name in sorted(NEW)]

native = Pybind11Extension(
    "ctxmem._native",
    [],
    include_dirs=["csrc"],
    cxx_std=20,
    extra_compile_args=OPTIMISE + BASE,
    depends=[*HEADERS, *sorted(glob("csrc/**/*.cpp", recursive=True))],
)
pages = Extension(
    "ctxmem._pages",
    ["csrc/bind/pages.pyx"],
    include_dirs=["csrc"],
    language="c++",
    extra_compile_args=[*OPTIMISE, *BASE, STANDARD],
    depends=HEADERS,
)


class BuildNative(build_ext):
    """Compile every object of the native extension side by side, the longest first, then link."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or 2  # the two extensions

    def build_extension(self, ext):
        built = self.get_ext_fullpath(ext.name)
        if ext.name == "ctxmem._native" and (self.force or newer_group(ext.depends, built)):
            ext.define_macros = [
                ("CTXMEM_VERSION", f'"{self.distribution.get_version()}"'),
                *((f"CTXMEM_HAS_{level.upper()}", "1") for level in LEVELS),
            ]
            self.mkpath(self.build_temp)
            if not getattr(self.compiler, "initialized", True):
                self.compiler.initialize()  # MSVC's, which threads would do at once
            with ThreadPool(JOBS) as pool:
                ext.extra_objects = pool.starmap(self.compile_one, self.sources(ext), chunksize=1)
        super().build_extension(ext)

    def sources(self, ext):
        """Return what is to compile: paths, folders of objects and flags."""
        core = glob("csrc/core/*/*.cpp")
        core.sort(key=os.path.getsize, reverse=True)
        flags = ext.extra_compile_args
        cold = [*flags, *BINDING]
        visible = [] if WINDOWS else ["-fvisibility=hidden"]
        kernels = [STANDARD, *visible, *OPTIMISE]
        return [
            *((self.joined(number, names), "", cold) for number, names in enumerate(BINDINGS)),
            *((path, "", flags) for path in [*core, "csrc/kernels/dispatch.cpp"]),
            *(("csrc/kernels/level.cpp", level, [*kernels, *LEVELS[level]]) for level in LEVELS),
        ]

    def joined(self, number, names):
        """Write a file that includes the bindings with these names; return its path."""
        path = f"{self.build_temp}/bindings_{number}.cpp"
        files = [name if name == "native" else f"native_{name}" for name in names]
        with open(path, "w", encoding="utf-8") as out:
            out.writelines(f'#include "bind/{name}.cpp"\n' for name in files)
        return path

    def compile_one(self, path, folder, flags):
        """Compile one file into a folder of its own below the objects; return the object."""
        ext = self.ext_map["ctxmem._native"]
        level = [("CTXMEM_LEVEL", folder)] if folder else []
        return self.compiler.compile(
            [path],
            output_dir=os.path.join(self.build_temp, folder),
            include_dirs=ext.include_dirs,
            macros=[*ext.define_macros, *level],
            extra_postargs=flags,
        )[0]


setup(
    ext_modules=[
        native,
        *cythonize(
            [pages],
            build_dir="build/cython",
            compiler_directives={"language_level": 3, "freethreading_compatible": True},
        ),
    ],
    cmdclass={"build_ext": BuildNative},
)
