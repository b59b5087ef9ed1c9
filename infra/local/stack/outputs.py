"""outputs.json: where everything is. The stack's own outputs in their local form, and S3's endpoint."""

import json

from .bends import local_url
from .template import Stack


def write(stack: Stack) -> dict[str, str]:
    settings = stack.settings
    outputs = {key: local_url(settings, value) for key, value in stack.outputs.items()}
    outputs["S3Endpoint"] = settings.endpoint
    settings.outputs.parent.mkdir(parents=True, exist_ok=True)
    settings.outputs.write_text(json.dumps(outputs, indent=2, sort_keys=True) + "\n")
    return outputs
