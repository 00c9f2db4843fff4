"""Says hello: to an HTTP API's request (payload format 2.0), or to an event of
your own such as {"name": "Ada"}."""

import json
import logging

logging.getLogger().setLevel(logging.INFO)


def handler(event, context):
    http = event.get("requestContext", {}).get("http")
    name = (event.get("queryStringParameters") or {} if http else event).get("name", "world")
    logging.info("saying hello to %s", name)
    hello = {"message": f"Hello, {name}!", "from": context.function_name}
    if not http:
        return hello
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(hello),
    }
