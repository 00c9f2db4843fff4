"""Maps an Amazon MSK cluster's topic to a function with boto3."""
import sys
import time

import boto3

function, cluster, topic = sys.argv[1:]
client = boto3.client("lambda")
made = client.create_event_source_mapping(
    FunctionName=function, EventSourceArn=cluster, Topics=[topic], StartingPosition="TRIM_HORIZON",
    AmazonManagedKafkaEventSourceConfig={"ConsumerGroupId": topic}, BatchSize=7)
assert made["State"] == "Creating" and made["BatchSize"] == 7 and made["Topics"] == [topic], made
assert made["AmazonManagedKafkaEventSourceConfig"]["ConsumerGroupId"] == topic, made
deadline = time.monotonic() + 60
while client.get_event_source_mapping(UUID=made["UUID"])["State"] != "Enabled":
    assert time.monotonic() < deadline, "the mapping is not enabled"
    time.sleep(0.05)
listed = client.list_event_source_mappings(EventSourceArn=cluster)["EventSourceMappings"]
assert [m["UUID"] for m in listed] == [made["UUID"]], listed
