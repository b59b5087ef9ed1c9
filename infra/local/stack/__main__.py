"""The commands behind the Makefile's `up`, `down` and `token`."""

import argparse
import sys

from .settings import Failure, Settings


def up(settings: Settings, sample: bool) -> None:
    from . import bends, build, deploy, emulator, outputs, restart, verify
    from .progress import say
    from .template import Stack

    stopped_at = emulator.start(settings)  # first: a taken port should be known before minutes of compiling
    say(f"emulator runs at {settings.endpoint}")
    say("compiling the functions")
    build.compile_functions(settings)
    changed = deploy.deploy(settings)
    if not changed:
        say("nothing changed since the last deployment")
    stack = Stack(settings)
    bends.apply(stack)
    say(f"all {verify.verify(stack)} resources of the template are there")
    where = outputs.write(stack)
    if stopped_at:
        restart.send_events_again(stack, stopped_at)
    if sample:
        from .sample import send_sample
        from .tokens import bearer_token

        send_sample(where, bearer_token(stack, "sample"), fresh=changed)
    say(f"ready; endpoints are in {settings.outputs}")
    for name, value in sorted(where.items()):
        print(f"  {name} = {value}")


def start(settings: Settings) -> None:
    from . import emulator
    from .progress import say

    emulator.start(settings)
    say(f"emulator runs at {settings.endpoint}")


def down(settings: Settings) -> None:
    from . import emulator

    if emulator.stop(settings):
        print(f"stopped; its data is kept in {settings.state} for the next `make up`")
    else:
        print("it was not running")


def token(settings: Settings, user: str) -> None:
    from .template import Stack
    from .tokens import bearer_token

    _must_run(settings)
    print(bearer_token(Stack(settings), user))


def _must_run(settings: Settings) -> None:
    from . import emulator

    if not emulator.healthy(settings):
        raise Failure("the local stack does not run: `make up` starts it")


def main() -> int:
    parser = argparse.ArgumentParser(prog="stack", description="The local stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    deploy = commands.add_parser("up", help="build, start, deploy, verify, send a sample photo")
    deploy.add_argument("--no-sample", action="store_true")
    commands.add_parser("start", help="start the emulator alone, with nothing deployed")
    commands.add_parser("down", help="stop; data is kept")
    commands.add_parser("token", help="print a bearer token").add_argument("user")
    arguments = parser.parse_args()
    try:
        settings = Settings.from_environment()
        match arguments.command:
            case "up":
                up(settings, sample=not arguments.no_sample)
            case "start":
                start(settings)
            case "down":
                down(settings)
            case "token":
                token(settings, arguments.user)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
