"""The local stack: all of Sluice on one machine, with no AWS account and no containers.

The template stays as AWS wants it. What the emulator ignores or can't do is bent here, in `bends` and `http_api`,
each bend with its reason; `verify` then compares the running stack with the processed template.

    python -m stack up | down | token USER | endpoint

settings   folders, port and environment
emulator   start, stop, health
build      the functions, as SAM builds them
deploy     template.yaml, by the real SAM CLI
template   the processed template and its resources, resolved
bends      what the emulator ignored
http_api   the HTTP API's routes, authorizers and CORS
verify     is everything there?
restart    what was under way when it stopped
outputs    outputs.json
tokens     bearer tokens
sample     one photo sent through, as a user would
"""
