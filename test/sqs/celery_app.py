"""A Celery application on SQS. As a worker's module it appends what its tasks do
to $RESULTS, a line each; as a program it sends the tasks."""

import json
import os
import time

from celery import Celery
from celery.exceptions import Reject
from kombu import Queue

name, results = os.environ["QUEUE"], os.environ["RESULTS"]
fifo = name + ".fifo"

app = Celery("celery_app", broker="sqs://test:test@" + os.environ["BROKER"])
app.conf.update(
    task_default_queue=name,
    task_queues=[Queue(name), Queue(fifo)],
    task_acks_late=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=10,
    worker_enable_remote_control=False,  # it would need an exchange that fans out
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "wait_time_seconds": 1,
        "polling_interval": 0.05,
        "visibility_timeout": 60,
    },
)


def record(task, **more):
    line = json.dumps({"task": task, "at": time.time(), **more})
    with open(results, "a") as f:
        f.write(line + "\n")


@app.task
def add(x, y):
    record("add", value=x + y)


@app.task(bind=True, max_retries=3)
def flaky(self):
    """Fails twice, and is retried: each retry is a message of its own."""
    record("flaky", value=self.request.retries)
    if self.request.retries < 2:
        raise self.retry(countdown=0.5)


@app.task(bind=True)
def refused(self):
    """Gives its message back once, which another receive brings again."""
    again = bool(self.request.delivery_info.get("redelivered")) or os.path.exists(results + ".refused")
    record("refused", value=int(again))
    if not again:
        open(results + ".refused", "w").close()
        raise Reject("once more", requeue=True)


@app.task
def later(how, sent, seconds):
    record("later", how=how, value=seconds, waited=time.time() - sent)


if __name__ == "__main__":
    for i in range(20):
        add.delay(i, i)
    for i in range(5):
        add.apply_async((100, i), queue=fifo, MessageGroupId="g")
    add.delay("ä" * 1000, "</é>")
    flaky.delay()
    refused.delay()
    later.apply_async(("countdown", time.time(), 2), countdown=2)
    later.apply_async(("DelaySeconds", time.time(), 2), DelaySeconds=2)
