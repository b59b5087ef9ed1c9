"""Bearer tokens of the local stack, signed with the secret that it was deployed with."""

import time

import jwt

from .template import Stack

LIFETIME_SECONDS = 24 * 3600


def bearer_token(stack: Stack, user: str) -> str:
    secret = stack.settings.client("secretsmanager").get_secret_value(SecretId=stack.outputs["JwtSecretArn"])
    now = int(time.time())
    claims = {
        "sub": user, "iat": now, "exp": now + LIFETIME_SECONDS,
        "iss": stack.parameters["JwtIssuer"], "aud": stack.parameters["JwtAudience"],
    }
    return jwt.encode(claims, secret["SecretString"], algorithm="HS256")
