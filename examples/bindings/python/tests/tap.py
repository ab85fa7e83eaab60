"""Runs every test_*.py beside this file and reports in TAP. A test is a function test_*(), its
docstring the name; it fails by raising, and is skipped by raising Skip."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path


class Skip(Exception):
    """What the test needs is not there."""


def main() -> int:
    names = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    tests = [
        test
        for name in names
        for key, test in vars(importlib.import_module(name)).items()
        if key.startswith("test_")
    ]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        title = " ".join(test.__doc__.split())
        try:
            test()
            print(f"ok {number} - {title}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {title}")
            print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["tap"] = sys.modules["__main__"]  # one Skip for all
    sys.exit(main())
