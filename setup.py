"""Build the two extensions; everything else about the package is in pyproject.toml.

`ctxmem._native` (pybind11) is compiled from csrc/core and csrc/bind; csrc/kernels/level.cpp is
compiled once per CPU level into extra objects, and csrc/kernels/dispatch.cpp picks one at run time.
`ctxmem._pages` (Cython) is generated into build/cython, so no generated C++ stands in the tree.
"""

import platform
import sys
from glob import glob

from Cython.Build import cythonize
from pybind11.setup_helpers import ParallelCompile, Pybind11Extension, build_ext
from setuptools import Extension, setup

WINDOWS = sys.platform == "win32"
X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.platform != "darwin"

# -O3 is ours to set: at -O2 gcc 12 leaves the kernels scalar, which costs 2-10x.
OPTIMISE = ["/O2"] if WINDOWS else ["-O3", "-g0", "-fno-math-errno"]
BASE = ["-march=x86-64-v2"] if X86 and not WINDOWS else []
LEVELS = {"base": BASE}
if X86:
    LEVELS["v3"] = ["/arch:AVX2"] if WINDOWS else ["-march=x86-64-v3"]
    LEVELS["v4"] = (
        ["/arch:AVX512"] if WINDOWS else ["-march=x86-64-v4", "-mprefer-vector-width=512"]
    )
HEADERS = glob("csrc/**/*.hpp", recursive=True)

native = Pybind11Extension(
    "ctxmem._native",
    sorted(glob("csrc/core/*/*.cpp") + glob("csrc/bind/*.cpp") + ["csrc/kernels/dispatch.cpp"]),
    include_dirs=["csrc"],
    cxx_std=20,
    extra_compile_args=OPTIMISE + BASE,
    depends=[*HEADERS, "csrc/kernels/level.cpp"],
)
pages = Extension(
    "ctxmem._pages",
    ["csrc/bind/pages.pyx"],
    include_dirs=["csrc"],
    language="c++",
    extra_compile_args=[*OPTIMISE, *BASE, "/std:c++20" if WINDOWS else "-std=c++20"],
    depends=HEADERS,
)


class BuildKernels(build_ext):
    """Compile the kernels once per CPU level before the extension that links them."""

    def build_extension(self, ext):
        if ext.name == "ctxmem._native":
            ext.define_macros = [
                ("CTXMEM_VERSION", f'"{self.distribution.get_version()}"'),
                *((f"CTXMEM_HAS_{level.upper()}", "1") for level in LEVELS),
            ]
            ext.extra_objects = [self.compile_level(level) for level in LEVELS]
        super().build_extension(ext)

    def compile_level(self, level):
        standard = "/std:c++20" if WINDOWS else "-std=c++20"
        visibility = [] if WINDOWS else ["-fvisibility=hidden", "-fPIC"]
        objects = self.compiler.compile(
            ["csrc/kernels/level.cpp"],
            output_dir=f"{self.build_temp}/{level}",
            include_dirs=["csrc"],
            macros=[("CTXMEM_LEVEL", level)],
            extra_postargs=[standard, *visibility, *OPTIMISE, *LEVELS[level]],
        )
        return objects[0]


with ParallelCompile("CTXMEM_BUILD_JOBS", default=2):
    setup(
        ext_modules=[
            native,
            *cythonize(
                [pages],
                build_dir="build/cython",
                compiler_directives={"language_level": 3, "freethreading_compatible": True},
            ),
        ],
        cmdclass={"build_ext": BuildKernels},
    )
