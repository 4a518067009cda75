#!/usr/bin/env python3
"""Check the shape of the tree: layers, doors, lengths, layout.  A test runs it.

  tools/tidy.py            the whole tree, as git lists it; or as it lies there without git
  tools/tidy.py FILE ...   these files

Layers are what a directory may include of ours; a door is the only place that may include a
library.  A function that has a reason to be long says so in the line above: // tidy: long, because
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

COLUMNS_MAX = 100
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70

# The directories a directory may include from, itself apart.
LAYERS = {
    "include": ["common", "hearth"],
    "kernels": ["common"],
    "cache": ["common", "hearth"],
    "files": ["common", "hearth", "kernels"],
    "engine": ["common", "hearth", "kernels", "files", "cache"],
    "daemon": ["common", "hearth", "kernels", "files", "cache", "engine"],
    "libclient": ["common", "hearth"],
    "cli": ["common", "hearth", "kernels", "files"],
    "bench": ["common", "hearth", "kernels", "files", "cache", "engine", "cli"],
    "examples": ["hearth"],
    "tools": ["common", "hearth", "kernels", "files"],
    "tests": None,  # see all
}

# What may include a library: prefixes of paths.  Tests may include what they need.
DOORS = {
    "uv.h": ["daemon/"],
    "boost/": ["cache/segment."],
    "hwloc.h": ["cache/topology."],
    "cjson/": ["daemon/json.", "libclient/json.", "cli/json"],
    "spdlog/": ["daemon/log."],
    "systemd/": ["daemon/service_manager."],
    "toml++/": ["daemon/config_file."],
    "CLI/": ["daemon/options.", "cli/", "bench/", "tools/"],
    "utf8proc.h": ["engine/tokenizer/unicode."],
    "pcre2.h": ["engine/tokenizer/pre_tokenizer."],
    "xxhash.h": ["cache/segment."],
    "curl/": ["cli/download."],
    "histedit.h": ["cli/line_editor."],
    "sodium.h": ["cache/page_key.", "cli/download.", "engine/weights."],
    "simde/": ["kernels/avx512/intrinsics."],
}

# Files compiled for one instruction set see no template of the standard library: the linker may
# keep their copy of an inline function for everyone.
ISA_DIRECTORIES = ("kernels/amx/", "kernels/avx2/", "kernels/avx512/", "kernels/panels/",
                   "kernels/simd/")
ISA_ALLOWED = re.compile(
    r"^(kernels/|immintrin\.h$|simde/|float\.h$|math\.h$|stddef\.h$|stdint\.h$|string\.h$"
    r"|cfloat$|cstddef$|cstdint$|cstring$)")

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')
FUNCTION_OPENS = re.compile(r"\)[^;()]*\{$")
NOT_A_FUNCTION = re.compile(
    r"^\s*(\}|if|for|while|switch|else|catch|do|return|namespace|class|struct|union|enum|extern)\b"
    r"|^\s*\}|\]\(|\] \{|= \{")


def source_files():
    """Every C and C++ file of the tree, relative to its root."""
    suffixes = {".c", ".h", ".cpp", ".hpp", ".cu", ".cuh"}
    listed = None
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
                                capture_output=True, text=True, check=False)
    if listed and listed.returncode == 0:
        paths = [pathlib.Path(line) for line in listed.stdout.splitlines()]
    else:
        paths = [p.relative_to(ROOT) for p in ROOT.rglob("*") if p.is_file()]
    return [p for p in paths
            if p.suffix in suffixes and p.parts[0] != "build" and (ROOT / p).exists()]


def check_include(path, included):
    """What is wrong with one #include, or None."""
    top = path.parts[0]
    name = path.as_posix()
    if top != "tests":
        for library, doors in DOORS.items():
            if included.startswith(library) and not any(name.startswith(d) for d in doors):
                return f"includes <{included}>: its door is {', '.join(doors)}"
    if name.startswith(ISA_DIRECTORIES) and not ISA_ALLOWED.match(included):
        return f"includes {included}: compiled for one instruction set, see tools/tidy.py"
    allowed = LAYERS.get(top)
    target = included.split("/")[0]
    ours = {"common", "hearth", *LAYERS}
    if allowed is not None and "/" in included and target in ours:
        if target != top and target not in allowed:
            return f"includes {included}: {top} may see {', '.join(allowed) or 'nothing'}"
    return None


def statement_head(lines, at):
    """The line where the statement that ends at this line begins."""
    while at > 0 and lines[at - 1].strip() and not re.search(r"[;{}>]$|:$|^\s*(//|\*|#)",
                                                             lines[at - 1]):
        at -= 1
    return at


def function_faults(lines):
    """(line number, fault) of every function that is too long."""
    for start, line in enumerate(lines):
        if not FUNCTION_OPENS.search(line):
            continue
        head = statement_head(lines, start)
        if NOT_A_FUNCTION.search(lines[head]) or NOT_A_FUNCTION.search(line):
            continue
        closing = re.match(r"\s*", lines[head]).group() + "}"
        end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith(closing)), start)
        excused = any("tidy: long" in above for above in lines[max(0, head - 3):head])
        if end - head + 1 > FUNCTION_LINES_MAX and not excused:
            yield head + 1, f"a function of {end - head + 1} lines, {FUNCTION_LINES_MAX} at most"


def file_faults(path):
    """(line number, fault) of everything wrong in one file."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield len(lines), f"{len(lines)} lines, {FILE_LINES_MAX} at most"
    if not lines or not lines[0].startswith(("//", "/*")):
        yield 1, "begins without saying what it is"
    if path.parts[0] not in LAYERS:
        yield 1, f"{path.parts[0]}/ is in no layer: add it to LAYERS in tools/tidy.py"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns, {COLUMNS_MAX} at most"
        included = INCLUDE.match(line)
        fault = included and check_include(path, included.group(1))
        if fault:
            yield number, fault
    yield from function_faults(lines)


def format_faults(paths):
    """What clang-format would change; it is optional where it is not installed."""
    if not shutil.which("clang-format"):
        print("tidy: no clang-format: layout was not checked", file=sys.stderr)
        return []
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, paths)], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    found = re.findall(r"^(\S+?):(\d+):.*clang-format", result.stderr, re.MULTILINE)
    return [(path, int(number), "clang-format would lay this out differently")
            for path, number in found]


def main():
    paths = [pathlib.Path(a).resolve().relative_to(ROOT) for a in sys.argv[1:]] or source_files()
    faults = [(p, n, fault) for p in paths for n, fault in file_faults(p)]
    faults += format_faults(paths)
    for path, number, fault in sorted(faults, key=lambda f: (str(f[0]), f[1])):
        print(f"{path}:{number}: {fault}")
    print(f"tidy: {len(paths)} files, {len(faults)} faults", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
