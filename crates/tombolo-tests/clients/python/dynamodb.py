"""The database of the seed's example: one side puts an item, a game server in another VPC gets it.

usage: dynamodb.py put|get ENDPOINT
"""

import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

action, endpoint = sys.argv[1:]
database = boto3.client(
    "dynamodb",
    endpoint_url=endpoint,
    region_name="us-west-2",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(connect_timeout=0.5, read_timeout=2, retries={"total_max_attempts": 1}),
)


def put():
    database.create_table(
        TableName="players",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    waiter = database.get_waiter("table_exists")
    waiter.wait(TableName="players", WaiterConfig={"Delay": 1})
    item = {"id": {"S": "ada"}, "score": {"N": "1815"}}
    database.put_item(TableName="players", Item=item)
    print("put", flush=True)


def get():
    found = database.get_item(TableName="players", Key={"id": {"S": "ada"}})
    print("score", found["Item"]["score"]["N"], flush=True)


while True:
    try:
        {"put": put, "get": get}[action]()
    except BotoCoreError as error:
        print("unreachable:", error, flush=True)
    if action == "put":
        break
    time.sleep(0.1)
