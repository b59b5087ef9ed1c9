"""`python -m conformance URL`: a table of what a tus server does."""

import argparse
import sys

from . import Failed, Server, Skipped, load, run

# A deviation from a “should” is told and is no failure, unless --strict.
PASSED, DIFFERS, FAILED, SKIPPED = "ok", "differs", "FAILED", "skipped"


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("url", help="where uploads are created, such as https://example.com/files")
    parser.add_argument("--header", action="append", default=[], metavar="'name: value'", help="sent every time")
    parser.add_argument("--only", action="append", metavar="VERB", help="only this file of cases/; may be repeated")
    parser.add_argument("--strict", action="store_true", help="a “should” that isn't kept is a failure")
    arguments = parser.parse_args()
    headers = dict(_header(parser, text) for text in arguments.header)
    server = Server(arguments.url, headers)
    try:
        cases = load(arguments.only)
    except ValueError as error:
        parser.error(str(error))

    counts = dict.fromkeys((PASSED, DIFFERS, FAILED, SKIPPED), 0)
    verb = None
    for case in cases:
        if case.verb != verb:
            verb = case.verb
            print(f"\n{verb}")
        outcome, detail = PASSED, ""
        try:
            run(server, case)
        except Skipped as reason:
            outcome, detail = SKIPPED, str(reason)
        except Failed as failure:
            outcome = FAILED if case.level == "must" or arguments.strict else DIFFERS
            detail = str(failure)
        counts[outcome] += 1
        print(f"  {outcome:8} {case.name}" + (f"\n           {detail}" if detail else ""))
    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts[FAILED] else 0


def _header(parser: argparse.ArgumentParser, text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        parser.error(f"a header is written 'name: value', not {text!r}")
    return name.strip(), value.strip()


if __name__ == "__main__":
    sys.exit(main())
